#include "capture/status_board.hpp"

namespace pgtide {

SourceStatus StatusBoard::read() const {
  const std::lock_guard lock(mutex_);
  SourceStatus status = status_;
  status.queries = queries_;
  status.heard_at = heard_at_;
  return status;
}

void StatusBoard::stand(ChangeSink& sink, bool connected, bool leader, const std::string& fault) {
  {
    const std::lock_guard lock(mutex_);
    if (!leader) status_.log_fault.clear();
    if (status_.connected == connected && status_.leader == leader && status_.fault == fault)
      return;
    status_.connected = connected;
    status_.leader = leader;
    status_.fault = fault;
  }
  sink.status_changed(read());
}

}  // namespace pgtide
