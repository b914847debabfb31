// One HTTP request to a place that may be hostile: the address is checked before anything is sent to it, and
// time, header and body of the answer are bounded.
//
// The host is resolved once, every address is checked (ip_address.h), and the connection goes to one of the
// checked addresses: a name that answers otherwise a moment later changes nothing.  Redirects are answers
// like any other, nothing is decompressed, no cookie and no connection is kept.  TLS 1.2 or later, the
// certificate checked for the name in the URL.
//
// Blocks the calling thread, at most until the deadline or until `stop` is requested; only a name server that
// is silent can hold it longer, as long as the system's resolver waits.  One client serves any number of
// threads.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/http/http_url.h"

namespace duly {

inline constexpr std::size_t kAnswerHeaderBytes = 16U << 10;
inline constexpr int kAddressesTried = 4;
inline constexpr seconds kHttpConnectTime{10};  // to look up, connect and agree on TLS, within the deadline

// Every address of a name.  An error when there is none.
using Resolver = std::function<Result<std::vector<IpAddress>>(const std::string& host)>;
Result<std::vector<IpAddress>> resolve_by_system(const std::string& host);

struct HttpClientConfig {
  std::string ca_file;          // who may have signed certificates; empty = whom the system trusts
  bool inner_networks = false;  // names may lead to this machine and private networks
  std::size_t body_bytes = 0;   // what is kept of an answer's body
  Resolver resolver = resolve_by_system;
};

struct ClientRequest {
  std::string method;
  HttpUrl url;
  std::vector<std::pair<std::string, std::string>> headers;  // beside Host, Content-Length, Connection
  std::string body;
};

struct ClientAnswer {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  bool truncated = false;  // the body had more than is kept

  // The first of this name; empty when there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const;
};

enum class HttpTrouble : std::uint8_t {
  none,         // there is an answer
  refused,      // an address that must not be reached: nothing was sent
  unreachable,  // no address, no connection, or no TLS: nothing was sent
  broken,       // sent, perhaps in part, and no whole answer came
  timed_out,    // the deadline passed
  stopped,      // `stop` was requested
};

struct HttpOutcome {
  HttpTrouble trouble = HttpTrouble::none;
  std::string error;  // of a trouble
  ClientAnswer answer;
};

class HttpClient {
 public:
  // An error says why the file of authorities cannot be used.
  static Result<std::shared_ptr<const HttpClient>> make(HttpClientConfig config);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  [[nodiscard]] HttpOutcome send(const ClientRequest& request, MonoTime deadline, std::stop_token stop) const;

 private:
  struct Tls;
  HttpClient(HttpClientConfig config, std::unique_ptr<Tls> tls);

  // Those that may be connected to.
  Result<std::vector<IpAddress>> addresses_for(const HttpUrl& url, HttpTrouble* trouble) const;

  const HttpClientConfig config_;
  const std::unique_ptr<Tls> tls_;
};

}  // namespace duly
