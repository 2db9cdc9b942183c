// The demo as its visitor has it: the program `pgtide demo`, and its page in a browser.

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "cluster/child_program.hpp"
#include "support/browser.hpp"
#include "support/database.hpp"
#include "support/eventually.hpp"
#include "support/own_loopback.hpp"

using namespace pgtide;
using namespace pgtide::test;
namespace fs = std::filesystem;

namespace {

constexpr auto browser_patience =
    60s;  // a cluster is made, and a busy machine starts a browser slowly

// `pgtide demo` in a directory of its own, stopped at the end.
class Demo {
 public:
  explicit Demo(const std::string& listen = "127.0.0.1:0", const std::string& database = "") {
    REQUIRE(mkdtemp(directory_.data()) != nullptr);
    ChildProgram program;
    program.arguments = {"/usr/bin/env",
                         "-u",
                         "DATABASE_URL",
                         "-u",
                         "PGHOST",
                         "-u",
                         "PGDATABASE",
                         "TMPDIR=" + directory_,
                         PGTIDE_PROGRAM,
                         "demo",
                         "--server.listen",
                         listen,
                         "--server.port-file",
                         port_file()};
    if (!database.empty())
      program.arguments.insert(program.arguments.begin() + 8, "DATABASE_URL=" + database);
    program.working_directory = directory_;
    program.output = directory_ + "/output";
    const Result<pid_t> started = start_program(program);
    REQUIRE(started.ok());
    pid_ = *started;
  }

  ~Demo() {
    if (pid_ > 0) stop();
    fs::remove_all(directory_);
  }

  // "127.0.0.1:4711", once it listens.
  std::string address() {
    eventually([&] { return fs::exists(port_file()) && fs::file_size(port_file()) > 0; },
               browser_patience, [&] { return output(); });
    std::string line;
    std::getline(std::ifstream(port_file()) >> std::ws, line);
    return line;
  }

  std::string output() const {
    std::ifstream file(directory_ + "/output");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // Its exit code, after SIGINT, as by Ctrl-C.
  int stop() {
    kill(pid_, SIGINT);
    return wait();
  }

  int wait() {
    const int status = wait_for_program(std::exchange(pid_, 0));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  std::string port_file() const { return directory_ + "/port"; }
  std::string directory_ = "/tmp/pgtide-demo-XXXXXX";
  pid_t pid_ = 0;
};

// The one that all cases look at which do not stop it.
Demo& shared_demo() {
  static Demo demo;
  return demo;
}

const std::string live = "document.getElementById('link').dataset.state === 'live'";
const std::string event_count =
    "[...document.querySelectorAll('.chip .count')]"
    ".reduce((sum, one) => sum + Number(one.textContent.replace(/,/g, '')), 0)";

std::string rows_of(const std::string& collection) {
  return "[...document.querySelectorAll('[data-collection=" + collection + "] tbody tr')]";
}

}  // namespace

TEST_CASE("demo page: rows appear, change and vehicles move, in a browser") {
  Demo& demo = shared_demo();
  Browser browser;
  browser.open("http://" + demo.address() + "/");
  browser.await(live, browser_patience);
  browser.await(rows_of("vehicles") + ".length >= 20", browser_patience);
  browser.await(rows_of("posts") + ".length > 0 && " + rows_of("comments") + ".length > 0",
                browser_patience);
  browser.await("document.querySelectorAll('.vehicle').length >= 20", browser_patience);
  CHECK(browser.text("document.querySelectorAll('.chip[data-state=refused]').length") == "0");
  CHECK(browser.text("document.querySelector('[data-collection=comments] thead').textContent")
            .find("email") == std::string::npos);  // it is anonymous, and the rules hide it

  const std::string places =
      "[...document.querySelectorAll('.vehicle')]"
      ".map((one) => one.getAttribute('transform')).join()";
  const std::string before = browser.text(places);
  browser.await(places + " !== " + nlohmann::json(before).dump(), browser_patience);
  const std::string cells = rows_of("vehicles") + ".map((row) => row.textContent).sort().join()";
  const std::string values = browser.text(cells);
  browser.await(cells + " !== " + nlohmann::json(values).dump(), browser_patience);
  browser.await("document.querySelectorAll('.entry').length > 0", browser_patience);
  browser.await("document.getElementById('median').textContent.endsWith(' ms')", browser_patience);
  CHECK(browser.faults() == "");
}

TEST_CASE("demo page: it asks no other host for anything") {
  Demo& demo = shared_demo();
  Browser browser;
  const std::string address = demo.address();
  browser.open("http://" + address + "/");
  browser.await(live, browser_patience);
  CHECK(browser.text("performance.getEntriesByType('resource').map((one) => one.name)"
                     ".filter((name) => !name.startsWith(location.origin)).join()") == "");
  CHECK(browser.faults() == "");
}

TEST_CASE("demo page: a pattern can be typed, is followed, refused or mended, and dropped") {
  Demo& demo = shared_demo();
  Browser browser;
  browser.open("http://" + demo.address() + "/#posts.*");
  browser.await(live, browser_patience);
  browser.await("document.querySelectorAll('.chip[data-state=live]').length === 1",
                browser_patience);

  const auto type = [&](const std::string& pattern) {
    browser.value("document.getElementById('pattern').value = " + nlohmann::json(pattern).dump() +
                  "; document.getElementById('subscribe').requestSubmit()");
  };
  type("vehicles");
  CHECK(browser.text("document.getElementById('pattern-error').textContent").find("vehicles.*") !=
        std::string::npos);
  type("vehicles.tram 1-01");
  browser.await(rows_of("vehicles") + ".length === 1", browser_patience);
  CHECK(browser.text(rows_of("vehicles") + "[0].cells[0].textContent") == "tram 1-01");
  type("nowhere.*");
  browser.await("document.querySelectorAll('.chip[data-state=refused]').length === 1",
                browser_patience);

  browser.value("document.querySelectorAll('.chip-close').forEach((one) => one.click())");
  browser.await("!document.getElementById('no-chips').hidden", browser_patience);
  CHECK(browser.text("location.hash") == "");
  CHECK(browser.faults() == "");
}

TEST_CASE("demo page: what somebody says reaches every open page, as text") {
  Demo& demo = shared_demo();
  Browser one;
  Browser other;
  const std::string url = "http://" + demo.address() + "/";
  for (Browser* browser : {&one, &other}) {
    browser->open(url);
    browser->await(live, browser_patience);
  }
  one.value(
      "document.getElementById('words').value = '<b id=evil>hello</b>';"
      "document.getElementById('say').requestSubmit()");
  for (Browser* browser : {&one, &other}) {
    browser->await("document.querySelector('.toast')", browser_patience);
    CHECK(browser->text("document.querySelector('.toast span').textContent") ==
          "<b id=evil>hello</b>");
    CHECK(browser->text("document.getElementById('evil')") == "null");
  }
}

TEST_CASE("demo page: it comes back by itself when the bridge does") {
  std::optional<Demo> demo(std::in_place, own_loopback() + ":0");
  Browser browser;
  const std::string address = demo->address();
  browser.open("http://" + address + "/");
  browser.await(live + " && " + event_count + " > 0", browser_patience);

  CHECK(demo->stop() == 0);
  browser.await("!(" + live + ")", browser_patience);
  CHECK(browser.text("document.querySelectorAll('tr.stale').length > 0") == "true");
  demo.emplace(address);  // where it listened before
  browser.await(live, browser_patience);
  browser.await("document.querySelectorAll('.chip[data-state=live]').length === 3",
                browser_patience);
  const auto seen = browser.value(event_count).get<long>();
  browser.await(event_count + " > " + std::to_string(seen), browser_patience);
  CHECK(browser.faults() == "");
}

TEST_CASE("demo page: it fits a phone, in light and dark") {
  Demo& demo = shared_demo();
  Browser browser;
  browser.set_size(360, 740);
  browser.open("http://" + demo.address() + "/");
  browser.await(rows_of("posts") + ".length > 0", browser_patience);
  CHECK(browser.value("document.documentElement.scrollWidth").get<int>() <= 360);
  const std::string ground = "getComputedStyle(document.body).backgroundColor";
  browser.set_dark(false);
  const std::string light = browser.text(ground);
  browser.set_dark(true);
  CHECK(browser.text(ground) != light);
  if (const char* shots = std::getenv("PGTIDE_SCREENSHOTS")) {
    browser.save_screenshot(std::string(shots) + "/phone-dark.png");
    browser.set_size(1440, 1000);
    browser.save_screenshot(std::string(shots) + "/desktop-dark.png");
    browser.set_dark(false);
    browser.save_screenshot(std::string(shots) + "/desktop-light.png");
  }
}

TEST_CASE("demo page: each viewer sees what the rules show him, side by side") {
  Demo& demo = shared_demo();
  Browser browser;
  browser.set_size(1680, 1100);
  browser.open("http://" + demo.address() + "/");
  const auto view = [](const std::string& name) {
    return "document.querySelector('.view[data-viewer=" + name + "]')";
  };
  const auto drafts = [&](const std::string& name, const std::string& author) {
    return "[..." + view(name) + ".querySelectorAll('tr.draft')].filter((row) => "
           "[...row.cells].some((cell) => cell.textContent === '" + author + "')).length";
  };
  const auto email = [&](const std::string& name) {
    return "[..." + view(name) + ".querySelectorAll('th')].some((cell) => "
           "cell.textContent === 'email')";
  };
  const auto mark = [&](const std::string& name) {
    return view(name) + ".textContent.includes('@example.com')";
  };
  for (const char* name : {"Anonymous", "Ada", "Grace", "Admin"}) {
    browser.await(view(name) + ".dataset.state === 'live'", browser_patience);
  }
  browser.await(drafts("Admin", "Ada") + " > 0 && " + drafts("Admin", "Grace") + " > 0 && " +
                    email("Admin") + " && " + mark("Admin"),
                browser_patience);
  browser.await(drafts("Ada", "Ada") + " > 0 && " + drafts("Grace", "Grace") + " > 0",
                browser_patience);
  for (const char* name : {"Anonymous", "Ada", "Grace"}) {
    CAPTURE(name);
    browser.await(view(name) + ".querySelector('[data-collection=posts] tbody tr') && " +
                      view(name) + ".querySelector('[data-collection=comments] tbody tr')",
                  browser_patience);
    CHECK(browser.text(email(name)) == "false");
    CHECK(browser.text(mark(name)) == "false");
  }
  CHECK(browser.text(view("Anonymous") + ".querySelectorAll('tr.draft').length") == "0");
  CHECK(browser.text(drafts("Ada", "Grace")) == "0");
  CHECK(browser.text(drafts("Grace", "Ada")) == "0");
  if (const char* shots = std::getenv("PGTIDE_SCREENSHOTS")) {
    browser.set_dark(false);
    browser.save_screenshot(std::string(shots) + "/viewers-light.png");
    browser.set_dark(true);
    browser.save_screenshot(std::string(shots) + "/viewers-dark.png");
    browser.set_size(390, 844);
    browser.save_screenshot(std::string(shots) + "/viewers-phone.png");
  }
  browser.set_size(360, 740);
  CHECK(browser.value("document.documentElement.scrollWidth").get<int>() <= 360);
  CHECK(browser.faults() == "");
}

TEST_CASE("demo page: the switch makes the page another viewer's, and leaves nothing behind") {
  Demo& demo = shared_demo();
  Browser browser;
  browser.set_size(800, 900);
  browser.open("http://" + demo.address() + "/");
  browser.await(live, browser_patience);
  const auto become = [&](const std::string& name) {
    browser.value("[...document.querySelectorAll('#who-choices button')].find((one) => "
                  "one.textContent.startsWith('" + name + "')).click()");
    browser.await(live, browser_patience);
    browser.await("document.querySelectorAll('.chip[data-state=live]').length === 3",
                  browser_patience);
  };
  const std::string email = "document.querySelector('[data-collection=comments] thead')"
                            ".textContent.includes('email')";
  const std::string drafts = "document.querySelectorAll('tr.draft').length";
  become("Admin");
  browser.await(email + " && " + drafts + " > 0", browser_patience);
  become("Anonymous");
  CHECK(browser.text(drafts) == "0");
  browser.await(rows_of("posts") + ".length > 0 && " + rows_of("comments") + ".length > 0",
                browser_patience);
  CHECK(browser.text(email) == "false");
  CHECK(browser.text(drafts) == "0");
  CHECK(browser.faults() == "");
}

TEST_CASE("demo: its secret and its tokens are printed nowhere") {
  Demo& demo = shared_demo();
  Browser browser;
  browser.open("http://" + demo.address() + "/");
  const std::string token = browser.text("scene.viewers[3].token");
  CHECK(token.size() > 100);
  CHECK(demo.output().find(token) == std::string::npos);
  CHECK(demo.output().find("secret") == std::string::npos);
}

TEST_CASE("demo: with a database of one's own it changes nothing, and says what to run") {
  Database database;
  Demo demo("127.0.0.1:0", database.url());
  CHECK(demo.wait() != 0);
  CHECK(demo.output().find("pgtide install") != std::string::npos);
  CHECK(demo.output().find("pgtide watch") != std::string::npos);
  CHECK(database.value("select count(*) from pg_class where relnamespace::regnamespace::text "
                       "not in ('pg_catalog', 'information_schema', 'pg_toast')") == "0");
}
