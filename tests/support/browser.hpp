#pragma once
#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace pgtide::test {

// A page in headless Chromium, with cookies and storage of its own. A machine without Chromium
// fails the test, as does every call without an answer for two minutes.
class Browser {
 public:
  Browser();
  ~Browser();
  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;

  // Goes to the address and waits until the page has loaded.
  void open(const std::string& url);

  // The value of a JavaScript expression in the page, awaited where it is a promise; an exception
  // there fails the test.
  nlohmann::json value(const std::string& expression);
  // The same for an expression that is a string.
  std::string text(const std::string& expression);

  // Waits until the expression is true; fails with what `shown` is then.
  void await(const std::string& expression, std::chrono::milliseconds limit,
             const std::string& shown = "document.body.innerText");

  void set_size(int width, int height);
  void set_dark(bool dark);
  void save_screenshot(const std::string& path);

  // What the page has thrown or logged as an error since it was opened.
  const std::string& faults() const;

 private:
  nlohmann::json call(const std::string& method, const nlohmann::json& parameters);

  std::string context_;
  std::string session_;
};

}  // namespace pgtide::test
