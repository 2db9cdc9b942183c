#pragma once
#include <string>

#include "capture/database_session.hpp"

namespace pgtide {

// Looks for another program that holds the leader's lock, and so keeps every bridge from leading.
class Stranger {
 public:
  // What is wrong and how to mend it; empty: nothing. A bridge that has just taken the lock has its
  // mark a moment later, so a stranger is one that was there at the look before.
  std::string look(DatabaseSession& session);

 private:
  std::string last_{};  // the process that was found last
};

}  // namespace pgtide
