#pragma once
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <optional>
#include <string_view>

#include "gateway/charged_allocator.hpp"

namespace pgtide {

// Puts the heads of one connection's requests together from what is read: no I/O. It stands in for
// Beast's async_read_header(), which parses as soon as bytes come; here the caller says when. A
// head is 16 KiB and 128 lines at most: a line costs more to keep than its bytes do (at 500 lines a
// head took 0.2 ms, and 200 clients that sent nothing else kept events waiting for a second).
// Owned by its shard's thread.
class HeadReader {
 public:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Buffer = boost::beast::basic_flat_buffer<ChargedAllocator<char>>;
  static constexpr std::size_t lines_max = 128;

  // The account outlives it; null: none.
  explicit HeadReader(MemoryAccount* memory);

  // The next request's head; what was read past the last one may hold it already.
  void begin();
  bool holds_more() const { return buffer_.size() > 0; }
  // Where the next bytes go, and that so many came. take() returns need_more until the head is
  // whole, or what is wrong with it: header_limit and others of Beast's.
  boost::asio::mutable_buffer prepare();
  boost::system::error_code take(std::size_t bytes);

  Parser& parser() { return *parser_; }
  const Parser& parser() const { return *parser_; }
  Buffer& buffer() { return buffer_; }  // what was read past what was parsed

 private:
  void count_lines(std::string_view fresh);

  Buffer buffer_;  // holds a head until it is whole
  std::optional<Parser> parser_{};
  std::size_t counted_ = 0;  // bytes of the buffer whose lines were counted
  std::size_t lines_ = 0;    // of this head
  bool at_line_start_ = true;
  bool whole_ = false;       // its empty line was seen
};

}  // namespace pgtide
