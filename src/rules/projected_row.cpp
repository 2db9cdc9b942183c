#include "rules/projected_row.hpp"

#include <algorithm>

#include "model/server_message.hpp"

namespace pgtide {
namespace {

constexpr std::string_view id_name = "id";

// Writes the commas and brackets of one object.
class ObjectText {
 public:
  explicit ObjectText(std::string& out) : out_(out) { out_ += '{'; }
  void add(const RowMember& member) {
    separate();
    out_.append(member.key).append(1, ':').append(member.value);
  }
  void add_id(std::string_view record_id) {
    separate();
    out_ += "\"id\":";
    append_quoted(out_, record_id);
  }
  void close() { out_ += '}'; }

 private:
  void separate() {
    if (!first_) out_ += ',';
    first_ = false;
  }
  std::string& out_;
  bool first_ = true;
};

// The member of `old_row` that has this column; most often it stands at the same place.
const RowMember* counterpart(const Row& old_row, std::size_t at, std::string_view column) {
  const auto& members = old_row.members();
  if (at < members.size() && members[at].column == column) return &members[at];
  return old_row.find(column);
}

bool are_equal(const RowMember& one, const RowMember& other) {
  return one.value == other.value && one.digest == other.digest;
}

bool passes_unescaped(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\';
}

}  // namespace

std::optional<std::size_t> visible_bytes(const Row& row, const Projection& projection) {
  if (row.members().empty()) return std::nullopt;
  std::size_t bytes = 0;
  for (const RowMember& member : row.members()) {
    if (!projection.shows(member.column)) continue;
    if (member.value.empty()) return std::nullopt;
    bytes += member.value.size();
  }
  return bytes;
}

void append_projected(std::string& out, const Row& row, const Projection& projection,
                      StandInId stand_in) {
  ObjectText object(out);
  for (const RowMember& member : row.members()) {
    if (projection.shows(member.column)) object.add(member);
  }
  if (stand_in && row.find(id_name) == nullptr) object.add_id(*stand_in);
  object.close();
}

void append_custom(std::string& out, const Row& members, const Projection& projection) {
  ObjectText object(out);
  for (const RowMember& member : members.members()) {
    if (projection.shows_in_custom(member.column)) object.add(member);
  }
  object.close();
}

void append_key(std::string& out, const Row& row, std::span<const std::string> key,
                StandInId stand_in) {
  ObjectText object(out);
  for (const std::string& column : key) {
    const RowMember* member = row.find(column);
    if (member == nullptr || member->value.empty()) continue;
    object.add(*member);
  }
  if (stand_in && row.find(id_name) == nullptr) object.add_id(*stand_in);
  object.close();
}

std::size_t append_changed(std::string& out, const Row& old_row, const Row& new_row,
                           const Projection& projection) {
  std::size_t changed = 0;
  out += '[';
  for (std::size_t i = 0; i < new_row.members().size(); ++i) {
    const RowMember& member = new_row.members()[i];
    const RowMember* before = counterpart(old_row, i, member.column);
    if (before != nullptr && are_equal(*before, member)) continue;
    if (!projection.shows(member.column)) continue;
    if (changed++ != 0) out += ',';
    out += member.key;
  }
  out += ']';
  return changed;
}

void append_quoted(std::string& out, std::string_view text) {
  if (!std::all_of(text.begin(), text.end(), passes_unescaped)) {
    out += json_string(text);
    return;
  }
  out += '"';
  out += text;
  out += '"';
}

}  // namespace pgtide
