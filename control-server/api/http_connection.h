// One client connection: reads a request, waits for its answer, writes it, and begins again.  An answer that
// is a stream (http_streaming.cpp) is the last one of its connection.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/tls/tls_stream.h"
#include "control-server/api/edge_stats.h"
#include "control-server/api/http_head.h"
#include "control-server/api/http_response.h"
#include "control-server/api/http_server.h"

namespace duly {

class HttpConnection;

// What the connections of one server share.
struct HttpHub {
  AsioLoop& loop;
  const HttpConfig config;
  const HttpHandlers handlers;
  TlsContext tls;              // for new connections; null = in clear text
  std::size_t body_bytes = 0;  // received of request bodies that are not yet answered
  bool stopping = false;
  HttpCounts counts;
  std::function<void(HttpConnection*)> closed;

  HttpHub(AsioLoop& l, HttpConfig c, HttpHandlers h)
      : loop(l), config(std::move(c)), handlers(std::move(h)), tls(config.tls) {}
  std::string_view date();
  std::string next_request_id();

 private:
  std::int64_t date_s_ = -1;
  std::string date_;
  std::uint64_t id_count_ = 0;
};

// Received bytes not yet consumed; grows to kMostBytes and no further.  It begins small, since thousands of
// clients may hold a connection and say little, and grows when a read has filled it.
class ReadBuffer {
 public:
  static constexpr std::size_t kMostBytes = 64U << 10;
  static constexpr std::size_t kLeastRoom = 512;

  [[nodiscard]] std::string_view view() const { return {bytes_.data() + begin_, end_ - begin_}; }
  [[nodiscard]] bool full() const { return end_ - begin_ + kLeastRoom > kMostBytes; }
  // Room for at least half of kLeastRoom; only when not full().
  boost::asio::mutable_buffer room();
  void commit(std::size_t count);
  void consume(std::size_t count);
  void clear() { begin_ = end_ = 0; }
  // Gives back what a large request has made it, when nothing is in it; never while a read fills its room().
  void shrink();

 private:
  std::vector<char> bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool filled_ = false;  // by the last read: there is probably more
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(boost::asio::ip::tcp::socket socket, std::shared_ptr<HttpHub> hub);

  void start();
  // Ends the phase whose deadline has passed.
  void sweep(MonoTime now);
  // Closes now when idle, else after the answer in flight.
  void wind_up();

 private:
  enum class Phase : std::uint8_t {
    handshake,
    idle,
    head,
    body,
    answering,
    writing,
    streaming,
    lingering,
    closed
  };

  void enter(Phase phase, Duration limit);
  void agreed(const boost::system::error_code& error);
  void read();
  void on_read(const boost::system::error_code& error, std::size_t count);
  void on_read_end(const boost::system::error_code& error);
  void advance();
  bool advance_head();
  bool advance_body();
  void begin_body();
  void say_continue();
  void dispatch();
  void answer(std::uint64_t turn, HttpResponse response);
  void fail(int status, std::string_view detail);
  void fail(const HttpResponse& response);
  void write(const HttpResponse& response);
  void count_answer(int status);  // and begins to write it
  void on_written(const boost::system::error_code& error);
  void release_body();
  void begin_stream(HttpResponse response);
  void write_piece();
  void on_piece_written(const boost::system::error_code& error);
  void end_stream();
  void end_whole_stream();
  void linger();
  void end_sending();
  void close();

  TlsStream socket_;
  const std::shared_ptr<HttpHub> hub_;
  std::string peer_;

  Phase phase_ = Phase::idle;
  MonoTime deadline_;
  ReadBuffer in_;
  bool reading_ = false;
  bool eof_ = false;
  std::size_t discarded_ = 0;  // while lingering

  HeadParser parser_;
  HttpHead head_;
  bool whole_ = false;  // the request has come to its end
  std::string body_;
  std::size_t charged_ = 0;  // of hub_->body_bytes
  bool let_in_ = false;      // by refuse_early, with its body still to come
  std::string request_id_;
  std::uint64_t turn_ = 0;  // which request an answer belongs to
  Respond::Gone gone_;

  std::string out_;
  std::function<void()> after_write_;
  bool keep_alive_ = true;
  std::shared_ptr<HttpStream> stream_;  // while streaming
  bool piece_out_ = false;              // of it is being written
  bool ending_ = false;                 // it takes no more pieces
};

}  // namespace duly
