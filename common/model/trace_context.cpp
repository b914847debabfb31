#include "common/model/trace_context.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/ids.h"
#include "common/model/limits.h"

namespace duly {
namespace {

constexpr std::size_t kParentBytes = 55;                // 00-<32>-<16>-<2>
constexpr std::uint8_t kKnownFlags = 0x03;              // sampled, and trace id drawn at random
constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15ULL;  // of splitmix64
constexpr std::size_t kStateMembers = 32;
constexpr std::size_t kStateKeyBytes = 256;
constexpr std::size_t kStateValueBytes = 256;

// Lower case only, as the specification says.
std::optional<std::uint64_t> hex(std::string_view digits) {
  std::uint64_t value = 0;
  for (const char c : digits) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'a' || c > 'f')) return std::nullopt;
    value = value << 4 | static_cast<std::uint64_t>(digit ? c - '0' : c - 'a' + 10);
  }
  return value;
}

void append_hex(std::string& out, std::uint64_t value, int digits) {
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += "0123456789abcdef"[value >> shift & 15U];
}

// A later version may say more after what this one knows.
bool shaped_like_a_parent(std::string_view text) {
  if (text.size() < kParentBytes) return false;
  if (text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
  const auto version = hex(text.substr(0, 2));
  if (!version || *version == 0xFF) return false;
  return text.size() == kParentBytes || (*version > 0 && text[kParentBytes] == '-');
}

std::optional<TraceContext> read_parent(std::string_view text) {
  if (!shaped_like_a_parent(text)) return std::nullopt;
  const auto high = hex(text.substr(3, 16));
  const auto low = hex(text.substr(19, 16));
  const auto span = hex(text.substr(36, 16));
  const auto flags = hex(text.substr(53, 2));
  if (!high || !low || !span || !flags) return std::nullopt;
  if ((*high == 0 && *low == 0) || *span == 0) return std::nullopt;
  TraceContext context;
  context.trace_high = *high;
  context.trace_low = *low;
  context.span = *span;
  context.flags = static_cast<std::uint8_t>(*flags & kKnownFlags);
  return context;
}

bool is_key_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '*' || c == '/' ||
         c == '@';
}

bool is_member(std::string_view member) {
  const std::string_view key = member.substr(0, member.find('='));
  if (key.empty() || key.size() == member.size() || key.size() > kStateKeyBytes) return false;
  if (!std::all_of(key.begin(), key.end(), is_key_char)) return false;
  const std::string_view value = member.substr(key.size() + 1);
  if (value.empty() || value.size() > kStateValueBytes) return false;
  return std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c <= '~' && c != '='; });
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Empty when it is not a list of members.
std::string read_state(std::string_view text) {
  std::vector<std::string_view> members;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view member = trimmed(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
    if (member.empty()) continue;  // allowed
    if (!is_member(member) || members.size() == kStateMembers) return {};
    members.push_back(member);
  }
  std::string state;
  for (const std::string_view member : members) {
    if (state.size() + 1 + member.size() > limits::kTraceStateBytes) break;
    if (!state.empty()) state += ',';
    state += member;
  }
  return state;
}

}  // namespace

std::string TraceContext::trace_id() const {
  std::string text;
  append_hex(text, trace_high, 16);
  append_hex(text, trace_low, 16);
  return text;
}

std::string TraceContext::span_id() const { return format_span_id(span); }

std::string TraceContext::traceparent() const {
  std::string text = "00-" + trace_id() + "-" + span_id() + "-";
  append_hex(text, flags, 2);
  return text;
}

std::string traceparent_of(const TracePtr& trace) { return trace ? trace->traceparent() : std::string(); }

std::string format_span_id(std::uint64_t span) {
  std::string text;
  append_hex(text, span, 16);
  return text;
}

TracePtr read_trace(std::string_view traceparent, std::string_view tracestate) {
  auto context = read_parent(traceparent);
  if (!context) return nullptr;
  context->state = read_state(tracestate);
  return std::make_shared<const TraceContext>(std::move(*context));
}

std::uint64_t SpanIds::next() {
  std::uint64_t value = 0;
  while (value == 0) value = mix(state_ += kStep);
  return value;
}

TracePtr SpanIds::child(const TraceContext& parent) {
  TraceContext context = parent;
  context.span = next();
  return std::make_shared<const TraceContext>(std::move(context));
}

TracePtr SpanIds::root() {
  TraceContext context;
  context.trace_high = next();
  context.trace_low = next();
  context.span = next();
  context.flags = kKnownFlags;
  return std::make_shared<const TraceContext>(std::move(context));
}

bool SpanIds::chance(double ratio) {
  constexpr double kSteps = 9007199254740992.0;  // 2^53: all of them are exact
  return ratio > 0 && static_cast<double>(next() >> 11) < ratio * kSteps;
}

}  // namespace duly
