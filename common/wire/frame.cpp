#include "common/wire/frame.h"

#include <cstdint>

#include "common/model/limits.h"

namespace duly {

void append_length(std::string& out, std::size_t value) {
  DULY_ASSERT(value <= limits::kFrameBytes);
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFFU);
}

std::size_t read_length(std::string_view bytes) {
  std::size_t value = 0;
  for (std::size_t i = 0; i < kFrameLengthBytes; ++i)
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

std::string encode_frame(const Frame& frame) {
  std::string out;
  out.reserve(2 * kFrameLengthBytes + frame.header.size() + frame.bytes.size());
  append_length(out, kFrameLengthBytes + frame.header.size() + frame.bytes.size());
  append_length(out, frame.header.size());
  out += frame.header;
  out += frame.bytes;
  return out;
}

Status FrameDecoder::feed(std::string_view bytes, std::vector<Frame>& out) {
  buffer_.append(bytes);
  std::string_view rest = buffer_;
  while (rest.size() >= 2 * kFrameLengthBytes) {
    const std::size_t length = read_length(rest);
    const std::size_t header = read_length(rest.substr(kFrameLengthBytes));
    if (length > limits::kFrameBytes || length < kFrameLengthBytes)
      return invalid("frame length out of bounds");
    if (header > length - kFrameLengthBytes || header > limits::kFrameHeaderBytes) {
      return invalid("frame header length out of bounds");
    }
    if (rest.size() < kFrameLengthBytes + length) break;
    const std::string_view body = rest.substr(2 * kFrameLengthBytes, length - kFrameLengthBytes);
    out.push_back(Frame{std::string(body.substr(0, header)), std::string(body.substr(header))});
    rest.remove_prefix(kFrameLengthBytes + length);
  }
  buffer_.erase(0, buffer_.size() - rest.size());
  return ok_status();
}

}  // namespace duly
