#pragma once
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "pgtide/result.hpp"

namespace pgtide {

// A collection as the page and the demo's rules need it: its name, the columns that make up its
// key, in order, and its table as "schema.table".
struct DemoCollection {
  std::string name;
  std::vector<std::string> key;
  std::string table{};
  friend bool operator==(const DemoCollection&, const DemoCollection&) = default;
};

// The sample database of `pgtide demo`: posts, comments on them, and vehicles that run through a
// small town, with traffic that keeps all three moving: some fifty changes a second, mostly
// vehicles. The tables stay small (some dozens of rows) however long it runs.
class DemoWorld {
 public:
  // Creates the tables with their first rows, in one transaction. Error: conflict, when one of them
  // is there already; unavailable, when the database isn't.
  static Result<void> create_tables(const std::string& url);

  // What create_tables makes, in the page's order.
  static const std::vector<DemoCollection>& collections();

  explicit DemoWorld(std::string url);
  ~DemoWorld();  // stops
  DemoWorld(const DemoWorld&) = delete;
  DemoWorld& operator=(const DemoWorld&) = delete;

  // Traffic, from a thread of its own. It outlives a restart of the database: it connects anew,
  // every half second. Calling either twice does nothing.
  void start();
  void stop();

 private:
  void run();
  bool wait_ms(int milliseconds);  // false once stop() was called

  std::string url_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
};

// What is watched in a database that is not ours; reads only. Errors: not_found, when pgtide isn't
// installed there or nothing is watched, whose message holds the commands to run; unavailable;
// denied.
Result<std::vector<DemoCollection>> watched_collections(const std::string& url);

// As whom the sample may be seen.
struct DemoViewer {
  std::string name;
  std::string role;     // "user 1"; empty: as the name says
  std::string sees;     // in a few words, of the sample's rules
  std::string token{};  // empty: anonymous
};

// What the page is told about where it runs.
struct DemoScene {
  std::vector<DemoCollection> collections;
  std::string endpoint = "/realtime/subscribe";
  bool sample = false;  // DemoWorld's tables: draws the town, offers to broadcast
  std::vector<DemoViewer> viewers{};  // empty: no switch, the page is anonymous
  std::string psql{};   // the command that opens the database in a terminal; empty: not shown
};

// The page for GET /: one HTML file that needs no other. It may be served to anybody: it holds
// nothing but the scene. (The viewers' tokens are in it: they are for the sample alone.)
std::string demo_page(const DemoScene& scene);

}  // namespace pgtide
