#include "broker/memory_account.hpp"

namespace pgtide {

std::string_view to_string(MemoryKind kind) {
  switch (kind) {
    case MemoryKind::frames: return "frames";
    case MemoryKind::backlogs: return "backlogs";
    case MemoryKind::replies: return "replies";
    case MemoryKind::subscriptions: return "subscriptions";
    case MemoryKind::connections: return "connections";
    case MemoryKind::messages: return "messages";
  }
  return "frames";
}

std::string_view to_string(MemoryStep step) {
  switch (step) {
    case MemoryStep::backlog_dropped: return "backlog_dropped";
    case MemoryStep::client_cut_off: return "client_cut_off";
    case MemoryStep::subscription_ended: return "subscription_ended";
    case MemoryStep::subscription_refused: return "subscription_refused";
    case MemoryStep::connection_refused: return "connection_refused";
  }
  return "backlog_dropped";
}

}  // namespace pgtide
