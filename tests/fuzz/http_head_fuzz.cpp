// Heads of HTTP requests: however they are cut into pieces, the same head; and none that leaves two ways to
// frame what follows it.
#include <algorithm>

#include "common/model/limits.h"
#include "control-server/api/http_head.h"
#include "tests/fuzz/fuzz_input.h"

namespace duly::fuzz {
namespace {

struct Read {
  HeadParser::State state = HeadParser::State::need_more;
  std::size_t used = 0;
  HttpHead head;
};

// As a connection does it: what the parser has not taken is shown to it again with what came after.
Read read_in_pieces(std::string_view bytes, std::size_t piece) {
  Read read;
  HeadParser parser;
  for (std::size_t received = 0; received < bytes.size() && read.state == HeadParser::State::need_more;) {
    received = std::min(received + piece, bytes.size());
    const HeadParser::Step step = parser.feed(bytes.substr(read.used, received - read.used));
    FUZZ_CHECK(step.consumed <= received - read.used);
    read.used += step.consumed;
    read.state = step.state;
    if (step.state == HeadParser::State::refused) {
      FUZZ_CHECK(step.refusal.status >= 400 && step.refusal.status <= 505 && !step.refusal.detail.empty());
    }
  }
  if (read.state == HeadParser::State::done) read.head = parser.take();
  return read;
}

bool clean(std::string_view text, unsigned char least) {
  return std::all_of(text.begin(), text.end(), [least](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= least || byte == '\t') && byte != 0x7F;
  });
}

std::string written(const HttpHead& head) {
  std::string text = head.method + " " + head.target + (head.http_1_0 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
  for (const HttpField& field : head.fields) text += field.name + ": " + field.value + "\r\n";
  return text + "\r\n";
}

bool same(const HttpHead& one, const HttpHead& other) {
  const bool fields = std::equal(
      one.fields.begin(), one.fields.end(), other.fields.begin(), other.fields.end(),
      [](const HttpField& a, const HttpField& b) { return a.name == b.name && a.value == b.value; });
  return fields && one.method == other.method && one.target == other.target &&
         one.http_1_0 == other.http_1_0 && one.keep_alive == other.keep_alive;
}

void check_grammar(const Read& read) {
  const HttpHead& head = read.head;
  FUZZ_CHECK(read.used <= limits::kHttpHeaderBytes && head.fields.size() <= kHttpFields);
  FUZZ_CHECK(!head.method.empty() && clean(head.method, 0x21) && !head.target.empty() &&
             clean(head.target, 0x21));
  for (const HttpField& field : head.fields) {
    FUZZ_CHECK(!field.name.empty() && clean(field.name, 0x21) && clean(field.value, 0x20));
    FUZZ_CHECK(field.name.find_first_of(": \t") == std::string::npos);
  }
  const std::string text = written(head);
  if (text.size() > limits::kHttpHeaderBytes) return;
  const Read again = read_in_pieces(text, text.size());
  FUZZ_CHECK(again.state == HeadParser::State::done && again.used == text.size() && same(again.head, head));
}

// What the rules let pass has exactly one way to tell where its body ends.
void check_judged(HttpHead head) {
  const auto refusal = judge_head(head, {"localhost"});
  if (refusal) {
    FUZZ_CHECK(refusal->status >= 400 && refusal->status < 500);
    return;
  }
  const auto count = [&](std::string_view name) {
    return std::count_if(head.fields.begin(), head.fields.end(),
                         [&](const HttpField& f) { return f.name == name; });
  };
  FUZZ_CHECK(count("transfer-encoding") == 0 && count("content-length") <= 1 && count("host") <= 1);
  FUZZ_CHECK(head.target.starts_with('/') && head.target.size() <= kHttpTargetBytes);
  const bool takes_body = head.method == "POST" || head.method == "PUT" || head.method == "PATCH";
  FUZZ_CHECK(takes_body || head.content_length == 0);
  FUZZ_CHECK(!head.length_given || !takes_body || count("content-length") == 1);
}

}  // namespace

void run(Input input) {
  const std::size_t piece = 1 + static_cast<std::size_t>(input.byte()) % 32;
  const std::string_view bytes = input.rest();
  const Read whole = read_in_pieces(bytes, std::max<std::size_t>(bytes.size(), 1));
  const Read pieces = read_in_pieces(bytes, piece);
  // What is refused at once when whole may, in pieces, be waited for until the deadline: the parser looks
  // only at lines that have ended.  What is taken must be the same.
  const bool done = whole.state == HeadParser::State::done;
  FUZZ_CHECK(done == (pieces.state == HeadParser::State::done));
  if (!done) return;
  FUZZ_CHECK(whole.used == pieces.used && same(whole.head, pieces.head));
  check_grammar(whole);
  check_judged(whole.head);
}

}  // namespace duly::fuzz
