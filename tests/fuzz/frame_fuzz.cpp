// The frame decoder: however the stream is cut into pieces, the frames are the same, and they encode to what
// was read.
#include <algorithm>

#include "common/model/limits.h"
#include "common/wire/frame.h"
#include "tests/fuzz/fuzz_input.h"

namespace duly::fuzz {
namespace {

struct Read {
  std::vector<Frame> frames;
  bool ok = true;
};

Read read_in_pieces(std::string_view stream, std::size_t piece) {
  Read read;
  FrameDecoder decoder;
  while (!stream.empty() && read.ok) {
    const std::string_view part = stream.substr(0, piece);
    stream.remove_prefix(part.size());
    read.ok = decoder.feed(part, read.frames).ok();
  }
  return read;
}

}  // namespace

void run(Input input) {
  const std::size_t piece = 1 + static_cast<std::size_t>(input.byte()) % 16;
  const std::string_view stream = input.rest();
  const Read whole = read_in_pieces(stream, std::max<std::size_t>(stream.size(), 1));
  const Read pieces = read_in_pieces(stream, piece);
  FUZZ_CHECK(whole.ok == pieces.ok);
  FUZZ_CHECK(whole.frames == pieces.frames);
  std::string again;
  for (const Frame& frame : whole.frames) {
    FUZZ_CHECK(frame.header.size() <= limits::kFrameHeaderBytes);
    FUZZ_CHECK(frame.header.size() + frame.bytes.size() <= limits::kFrameBytes);
    again += encode_frame(frame);
  }
  FUZZ_CHECK(stream.starts_with(again));
}

}  // namespace duly::fuzz
