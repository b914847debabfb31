// A frame of the link: a small JSON header and raw bytes after it, so that a payload is never parsed or
// escaped.
//
// On the wire: 4 bytes length of all that follows, 4 bytes length of the header (both big-endian), the
// header, the bytes.  PROTOCOL.md is the description for other implementations.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace duly {

struct Frame {
  std::string header;  // JSON object
  std::string bytes;   // payloads, one after the other; the header says how long each is

  friend bool operator==(const Frame&, const Frame&) = default;
};

std::string encode_frame(const Frame& frame);

// A length as it stands in frames and bundles: so many bytes, big-endian.  `bytes` holds at least as many.
inline constexpr std::size_t kFrameLengthBytes = 4;
void append_length(std::string& out, std::size_t value);
std::size_t read_length(std::string_view bytes);

// Cuts a stream of bytes into frames.  One per connection; not thread-safe.
class FrameDecoder {
 public:
  // Appends the frames that are complete now to `out`.  An error (a length beyond limits::kFrameBytes, a
  // header longer than the frame or than limits::kFrameHeaderBytes) is final: the connection must be closed.
  Status feed(std::string_view bytes, std::vector<Frame>& out);

 private:
  std::string buffer_;  // at most one incomplete frame
};

}  // namespace duly
