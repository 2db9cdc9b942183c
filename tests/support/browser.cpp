#include "support/browser.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "support/eventually.hpp"
#include "support/folder.hpp"

extern char** environ;

namespace pgtide::test {
namespace {

using Json = nlohmann::json;

constexpr auto answer_limit = 120s;  // a browser starts slowly on a busy machine

std::string find_chromium() {
  for (const char* path :
       {"/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"})
    if (access(path, X_OK) == 0) return path;
  FAIL("no Chromium: apt-get install chromium");
  return {};
}

std::string make_profile() {
  std::string directory = busy_directory() + "/pgtide-browser-XXXXXX";
  REQUIRE(mkdtemp(directory.data()) != nullptr);
  return directory;
}

std::string from_base64(const std::string& text) {
  std::string bytes;
  unsigned held = 0;
  int bits = 0;
  for (const char c : text) {
    const std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t digit = digits.find(c);
    if (digit == std::string_view::npos) break;
    held = held << 6 | static_cast<unsigned>(digit);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes += static_cast<char>(held >> bits & 0xff);
  }
  return bytes;
}

// The program behind every page of this executable, started at the first and ended at exit. It is
// driven over the DevTools protocol on a pipe, so that no port is needed; the browser ends when the
// pipe closes, also when the test is killed.
class Chromium {
 public:
  static Chromium& shared() {
    static Chromium chromium;
    return chromium;
  }
  ~Chromium();
  Chromium(const Chromium&) = delete;
  Chromium& operator=(const Chromium&) = delete;

  // Without a session it is the browser that is asked, else the page.
  Json call(const std::string& session, const std::string& method, const Json& parameters);
  std::string& faults_of(const std::string& session) { return faults_[session]; }

 private:
  Chromium() : Chromium(make_profile()) { launch(); }
  // Once this has returned, the destructor cleans up after a launch that failed.
  explicit Chromium(std::string profile) : profile_(std::move(profile)) {}
  void launch();
  Json next_message();
  void note_fault(const Json& message);

  pid_t browser_ = 0;
  int to_browser_ = -1;
  int from_browser_ = -1;
  int calls_ = 0;
  std::string profile_;
  std::string unread_;
  std::map<std::string, std::string> faults_;  // by session
};

// Chromium reads commands from descriptor 3 and answers on 4, each ended by a zero byte.
void Chromium::launch() {
  int commands[2];
  int answers[2];
  REQUIRE(pipe2(commands, O_CLOEXEC) == 0);
  REQUIRE(pipe2(answers, O_CLOEXEC) == 0);
  // Out of the way of 3 and 4, which dup2 would otherwise close or leave close-on-exec.
  const int input = fcntl(commands[0], F_DUPFD_CLOEXEC, 10);
  const int output = fcntl(answers[1], F_DUPFD_CLOEXEC, 10);
  close(commands[0]);
  close(answers[1]);
  to_browser_ = commands[1];
  from_browser_ = answers[0];

  std::vector<std::string> arguments = {find_chromium(),
                                        "--headless",
                                        "--no-sandbox",
                                        "--disable-gpu",
                                        "--disable-dev-shm-usage",
                                        "--remote-debugging-pipe",
                                        "--user-data-dir=" + profile_,
                                        "--no-first-run",
                                        "--disable-background-networking",
                                        "--disable-component-update",
                                        "about:blank"};
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, 3);
  posix_spawn_file_actions_adddup2(&actions, output, 4);
  for (const int descriptor : {1, 2})
    posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t attributes;  // a group of its own, so that its children can be ended with it
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  const int failed =
      posix_spawn(&browser_, pointers[0], &actions, &attributes, pointers.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(input);
  close(output);
  REQUIRE(failed == 0);
}

Chromium::~Chromium() {
  close(to_browser_);  // which ends it
  close(from_browser_);
  if (browser_ > 0) {
    if (!becomes_true([&] { return waitpid(browser_, nullptr, WNOHANG) != 0; })) {
      kill(-browser_, SIGKILL);
      waitpid(browser_, nullptr, 0);
    }
  }
  std::error_code ignored;
  // Its own children may write for a moment longer.
  becomes_true([&] {
    std::filesystem::remove_all(profile_, ignored);
    return !std::filesystem::exists(profile_);
  });
}

Json Chromium::next_message() {
  const auto deadline = std::chrono::steady_clock::now() + answer_limit;
  size_t end = unread_.find('\0');
  while (end == std::string::npos) {
    pollfd waiting{from_browser_, POLLIN, 0};
    if (poll(&waiting, 1, 100) > 0) {
      char bytes[65536];
      const ssize_t count = read(from_browser_, bytes, sizeof bytes);
      if (count <= 0) FAIL("Chromium has ended");
      const size_t before = unread_.size();
      unread_.append(bytes, static_cast<size_t>(count));
      end = unread_.find('\0', before);
    }
    if (end == std::string::npos && std::chrono::steady_clock::now() > deadline)
      FAIL("no answer from Chromium");
  }
  Json message = Json::parse(unread_.substr(0, end));
  unread_.erase(0, end + 1);
  return message;
}

void Chromium::note_fault(const Json& message) {
  const std::string method = message.value("method", "");
  const bool logged = method == "Log.entryAdded" &&
                      message.at("params").at("entry").value("level", "") == "error" &&
                      message.at("params").at("entry").value("source", "") != "network";
  if (logged || method == "Runtime.exceptionThrown")
    faults_[message.value("sessionId", "")] += message.at("params").dump() + "\n";
}

Json Chromium::call(const std::string& session, const std::string& method, const Json& parameters) {
  Json command = {{"id", ++calls_}, {"method", method}, {"params", parameters}};
  if (!session.empty()) command["sessionId"] = session;
  const std::string text = command.dump();
  REQUIRE(write(to_browser_, text.c_str(), text.size() + 1) == ssize_t(text.size() + 1));
  for (;;) {
    const Json message = next_message();
    note_fault(message);
    if (message.value("id", 0) != calls_) continue;
    if (message.contains("error")) FAIL(method, ": ", message.at("error").dump());
    return message.at("result");
  }
}

}  // namespace

Browser::Browser() {
  const Json context = call("Target.createBrowserContext", Json::object());
  context_ = context.at("browserContextId");
  const Json target =
      call("Target.createTarget", {{"url", "about:blank"}, {"browserContextId", context_}});
  session_ = call("Target.attachToTarget", {{"targetId", target.at("targetId")}, {"flatten", true}})
                 .at("sessionId");
  for (const char* domain : {"Page.enable", "Runtime.enable", "Log.enable"})
    call(domain, Json::object());
}

// Which closes its page. That it may fail matters to nobody any more.
Browser::~Browser() {
  try {
    Chromium::shared().call("", "Target.disposeBrowserContext", {{"browserContextId", context_}});
  } catch (...) {
  }
}

nlohmann::json Browser::call(const std::string& method, const Json& parameters) {
  return Chromium::shared().call(session_, method, parameters);
}

const std::string& Browser::faults() const {
  return Chromium::shared().faults_of(session_);
}

void Browser::open(const std::string& url) {
  Chromium::shared().faults_of(session_).clear();
  const Json result = call("Page.navigate", {{"url", url}});
  if (result.contains("errorText")) FAIL(url, ": ", result.at("errorText").dump());
  await("document.readyState === 'complete' && location.href !== 'about:blank'", answer_limit,
        "document.readyState");
}

nlohmann::json Browser::value(const std::string& expression) {
  const Json result =
      call("Runtime.evaluate",
           {{"expression", expression}, {"returnByValue", true}, {"awaitPromise", true}});
  if (result.contains("exceptionDetails"))
    FAIL(expression, ": ", result.at("exceptionDetails").dump());
  return result.at("result").value("value", Json());
}

std::string Browser::text(const std::string& expression) {
  return value("String(" + expression + ")").get<std::string>();
}

void Browser::await(const std::string& expression, std::chrono::milliseconds limit,
                    const std::string& shown) {
  eventually([&] { return value("Boolean(" + expression + ")").get<bool>(); }, limit,
             [&] { return expression + " is false; " + text(shown); });
}

void Browser::set_size(int width, int height) {
  call("Emulation.setDeviceMetricsOverride",
       {{"width", width}, {"height", height}, {"deviceScaleFactor", 1}, {"mobile", width < 600}});
}

void Browser::set_dark(bool dark) {
  const Json scheme = {{"name", "prefers-color-scheme"}, {"value", dark ? "dark" : "light"}};
  call("Emulation.setEmulatedMedia", {{"features", Json::array({scheme})}});
}

void Browser::save_screenshot(const std::string& path) {
  const Json shot = call("Page.captureScreenshot", {{"format", "png"}});
  std::ofstream(path, std::ios::binary) << from_base64(shot.at("data"));
}

}  // namespace pgtide::test
