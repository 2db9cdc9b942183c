#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "broker/broker.hpp"
#include "model/line_limit.hpp"
#include "model/wire_code.hpp"

namespace pgtide {

// What the log says of clients. A client's fault is one line at level info, with the connection's
// id; of each kind ten in ten seconds, since strangers cause them. Level debug also says who comes,
// goes, asks and is sent what: ids, codes and sizes, never a row or a token.
// Owned by its shard's thread.
class ConnectionLog {
 public:
  // `broker`, which outlives it, knows what the cursors mean.
  explicit ConnectionLog(const Broker& broker) : broker_(broker) {}

  // Before it was a connection. `address`: without a port; `with`: "HTTP 403".
  void refused(std::string_view address, std::string_view with, std::string_view why);
  void opened(const ConnectionRecord& record);
  // Broken frames (1002, 1007, 1009); `why` is the WebSocket layer's word.
  void broke_protocol(const ConnectionRecord& record, std::string_view why);
  // Closed by us, for `reason`.
  void closed(const ConnectionRecord& record, CloseCode code, std::string_view reason);
  void fell_behind(const ConnectionRecord& record, std::size_t backlog_bytes_max);
  void lost_backlog(const ConnectionRecord& record);  // for limits.memory_bytes
  void cut_off(const ConnectionRecord& record, std::string_view why);  // the same
  void ended(const ConnectionRecord& record, unsigned peers_close_code);  // 0: it sent none

  // At debug level only: what was answered to a message of so many bytes, and where the events of a
  // run are now. `waiting_bytes`: of the connection's backlog.
  void answered(const ConnectionRecord& record, std::size_t message_bytes,
                std::string_view frames);
  void sent(const ConnectionRecord& record, const Run& run, std::size_t waiting_bytes);
  static bool follows();  // is it debug level?

 private:
  void fault(LineLimit& limit, std::string_view connection_id, const std::string& text);

  const Broker& broker_;
  LineLimit refusals_{lines_max, period}, protocol_faults_{lines_max, period},
      closes_{lines_max, period}, laggards_{lines_max, period};
  static constexpr unsigned lines_max = 10;
  static constexpr std::chrono::seconds period{10};
};

// The id of the connection that the line is about which this thread is writing, and which then
// begins "connection ID: "; empty: of none. For a formatter that gives it a member of its own.
std::string_view logged_connection();

}  // namespace pgtide
