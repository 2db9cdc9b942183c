#include "gateway/head_reader.hpp"

#include <algorithm>
#include <boost/beast/http/error.hpp>

#include "gateway/broadcast_body.hpp"

namespace pgtide {
namespace http = boost::beast::http;
namespace {

// A request line and headers: what a browser with cookies and a token of 4 KiB needs, twice.
constexpr std::uint32_t head_bytes_max = 16'384;
// It is found too long when it is over; half a read more than it.
constexpr std::size_t buffer_bytes_max = head_bytes_max + 512;
constexpr std::size_t read_bytes_min = 512;
// Room for the fields around the data, and for spaces; the data's own limit is exact.
constexpr std::uint64_t body_bytes_max = broadcast_bytes_max + 65'536;

}  // namespace

HeadReader::HeadReader(MemoryAccount* memory)
    : buffer_(buffer_bytes_max, ChargedAllocator<char>(memory)) {}

void HeadReader::begin() {
  parser_.emplace();
  parser_->header_limit(head_bytes_max);
  parser_->body_limit(body_bytes_max);
  counted_ = lines_ = 0;
  at_line_start_ = true;
  whole_ = false;
}

boost::asio::mutable_buffer HeadReader::prepare() {
  const std::size_t free = buffer_.capacity() - buffer_.size();
  const std::size_t room = buffer_.max_size() - buffer_.size();
  return buffer_.prepare(std::min(std::max(free, read_bytes_min), room));
}

// Of the head only: what follows it is another's, or a body.
void HeadReader::count_lines(std::string_view fresh) {
  for (const char c : fresh) {
    if (whole_) return;
    if (c == '\n') {
      whole_ = at_line_start_ && lines_ > 0;
      ++lines_;
      at_line_start_ = true;
    } else if (c != '\r') {
      at_line_start_ = false;
    }
  }
}

boost::system::error_code HeadReader::take(std::size_t bytes) {
  buffer_.commit(bytes);
  const std::string_view there(static_cast<const char*>(buffer_.data().data()), buffer_.size());
  count_lines(there.substr(std::min(counted_, there.size())));
  boost::system::error_code error;
  if (lines_ > lines_max + 1) return http::make_error_code(http::error::header_limit);
  while (!error && !parser_->is_header_done()) {
    if (buffer_.size() == 0) error = http::error::need_more;
    if (!error) buffer_.consume(parser_->put(buffer_.data(), error));
  }
  counted_ = buffer_.size();
  if (error == http::error::need_more && buffer_.size() == buffer_.max_size()) {
    error = http::error::header_limit;
  }
  return error;
}

}  // namespace pgtide
