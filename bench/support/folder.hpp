#pragma once
#include <string>
#include <vector>

namespace pgtide::bench {

// A directory of our own under `parent`, removed with all that is in it.
class Folder {
 public:
  explicit Folder(const std::string& parent);
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  void write(const std::string& name, const std::string& text) const;
  std::string read(const std::string& name) const;  // empty: there is none

 private:
  std::string path_;
};

// Starts a program whose output is appended to `log`. It dies with this program, however that ends.
// The calling thread has to live as long as it does.
int start_bound(std::vector<std::string> arguments, const Folder& folder, const std::string& log);

// Runs it to its end and returns what it has printed; gives up, with that, when it failed.
std::string run_to_end(std::vector<std::string> arguments, const Folder& folder,
                       const std::string& log);

}  // namespace pgtide::bench
