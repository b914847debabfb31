#include <poll.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <vector>

#include "control-server/api/http_response.h"
#include "tests/unit/control-server/api/raw_client.h"

namespace duly::testing {
namespace {

// Answers with what it was asked.
void echo(HttpRequest request, Respond respond) {
  HttpResponse response;
  response.body = request.method + " " + request.target + " " + request.body;
  respond(std::move(response));
}

std::string post(std::string_view target, std::string_view body, std::string_view more = {}) {
  std::string text = "POST " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(more);
  return text + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

constexpr std::string_view kGet = "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";

HttpConfig with_hosts() {
  HttpConfig config;
  config.allowed_hosts = loopback_hosts();
  return config;
}

void refused(std::uint16_t port, const std::string& request, int status) {
  CAPTURE(request.substr(0, 200));
  RawClient client(port);
  const std::string answer = client.ask(request);
  CHECK(status_of(answer) == status);
  CHECK(answer.find("Connection: close") != std::string::npos);
  CHECK(answer.find("application/problem+json") != std::string::npos);
  CHECK(answer.find("X-Request-Id: ") != std::string::npos);
  CHECK(client.closed());
}

}  // namespace

TEST_CASE(
    "a request that frames its body in any way but one Content-Length is refused and the connection closed") {
  Edge edge(with_hosts(), echo);
  const std::string start = "POST /x HTTP/1.1\r\nHost: localhost\r\n";
  refused(edge.port(), start + "\r\n", 411);
  refused(edge.port(), start + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 411);
  refused(edge.port(), start + "Transfer-Encoding: gzip\r\n\r\n", 411);
  refused(edge.port(), start + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc", 411);
  refused(edge.port(), start + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc", 411);
  refused(edge.port(), start + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400);
  refused(edge.port(), start + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400);
  refused(edge.port(), start + "Content-Length: 3, 3\r\n\r\nabc", 400);
  refused(edge.port(), start + "Content-Length: -1\r\n\r\n", 400);
  refused(edge.port(), start + "Content-Length: +3\r\n\r\nabc", 400);
  refused(edge.port(), "GET /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", 400);
  refused(edge.port(), "DELETE /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", 400);
  refused(edge.port(), start + "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", 415);
  refused(edge.port(), start + "Expect: miracles\r\nContent-Length: 3\r\n\r\nabc", 417);
}

TEST_CASE("a head that is not HTTP or beyond its bounds is refused") {
  Edge edge(with_hosts(), echo);
  const std::string get = "GET /x HTTP/1.1\r\nHost: localhost\r\n";
  refused(edge.port(), get + "X-Big: " + std::string(9000, 'a') + "\r\n\r\n", 431);
  refused(edge.port(), get + "X-Endless: " + std::string(60'000, 'a'), 431);
  std::string many = get;
  for (int i = 0; i < 64; ++i) many += "X-" + std::to_string(i) + ": 1\r\n";
  refused(edge.port(), many + "\r\n", 431);
  refused(edge.port(), "GET /" + std::string(2100, 'a') + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 414);
  refused(edge.port(), "GET /" + std::string(20'000, 'a') + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 414);
  refused(edge.port(), "nonsense\r\n\r\n", 400);
  refused(edge.port(), "GET /x HTTP/1.1\r\n\r\n", 400);  // no Host
  refused(edge.port(), get + "Host: localhost\r\n\r\n", 400);
  refused(edge.port(), "GET x HTTP/1.1\r\nHost: localhost\r\n\r\n", 400);
}

TEST_CASE("a Host that is not ours, and an Origin that is another site's, are refused") {
  Edge edge(with_hosts(), echo);
  refused(edge.port(), "GET /x HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421);
  refused(edge.port(), "GET /x HTTP/1.1\r\nHost: localhost.evil.example:80\r\n\r\n", 421);
  refused(edge.port(), post("/x", "{}", "Origin: http://evil.example\r\n"), 403);
  for (const char* const host : {"localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "[::1]"}) {
    RawClient client(edge.port());
    CHECK(status_of(client.ask("GET /x HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n")) == 200);
  }
  RawClient own_page(edge.port());
  CHECK(status_of(own_page.ask(post("/x", "{}", "Origin: http://localhost\r\n"))) == 200);
  RawClient old(edge.port());
  CHECK(status_of(old.ask("GET /x HTTP/1.0\r\n\r\n")) == 200);
  CHECK(old.closed());
}

TEST_CASE("a body over its limit is refused before any of it is read") {
  Edge edge(with_hosts(), echo, 100);
  refused(edge.port(), "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 101\r\n\r\n", 413);
  refused(edge.port(),
          "POST /x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 101\r\n\r\n", 413);
  RawClient client(edge.port());
  CHECK(status_of(client.ask(post("/x", std::string(100, 'a')))) == 200);
}

TEST_CASE("a body that its sender may not send is refused before any of it is read") {
  HttpHandlers handlers{echo, [](auto, auto) { return std::size_t{1000}; }};
  handlers.refuse_early = [](std::string_view method, std::string_view target, const auto& fields,
                             const std::string& peer) -> std::optional<HttpResponse> {
    const bool known =
        std::any_of(fields.begin(), fields.end(), [](const auto& f) { return f.name == "x-key"; });
    if (known || method != "POST" || target != "/x" || peer != "127.0.0.1") return std::nullopt;
    return make_problem(401, "no key");
  };
  Edge edge(with_hosts(), handlers);
  refused(edge.port(), "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n", 401);
  refused(edge.port(), "POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n", 401);
  RawClient client(edge.port());
  CHECK(body_of(client.ask(post("/x", "hello", "X-Key: 1\r\n"))) == "POST /x hello");
  CHECK(body_of(client.ask(post("/x", ""))) == "POST /x ");  // without a body the handler decides
}

TEST_CASE("a handler is told who was let in before his body, and it is never another request's") {
  const auto told = [](HttpRequest request, const Respond& respond) {
    HttpResponse response;
    response.body = request.let_in ? "let in" : "not judged";
    respond(std::move(response));
  };
  HttpHandlers handlers{told, [](auto, auto) { return std::size_t{1000}; }};
  Edge never_asked(with_hosts(), handlers);
  handlers.refuse_early = [](auto, auto, const auto&, const std::string&) { return std::nullopt; };
  Edge edge(with_hosts(), handlers);
  RawClient client(edge.port());
  CHECK(body_of(client.ask(post("/x", "hello"))) == "let in");
  CHECK(body_of(client.ask(post("/x", ""))) == "not judged");
  RawClient other(never_asked.port());
  CHECK(body_of(other.ask(post("/x", "hello"))) == "not judged");
}

TEST_CASE("a client that sends a refused body to its end still reads why") {
  Edge edge(with_hosts(), echo, 100);
  RawClient client(edge.port());
  client.send("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000\r\n\r\n");
  client.send(std::string(4'000'000, 'a'));
  CHECK(status_of(client.receive()) == 413);
}

TEST_CASE("bodies together are bounded") {
  HttpConfig config = with_hosts();
  config.body_bytes = 1000;
  Edge edge(config, echo);
  RawClient first(edge.port());
  first.send("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\nExpect: 100-continue\r\n\r\n");
  CHECK(first.receive() == "HTTP/1.1 100 Continue\r\n\r\n");
  RawClient early(edge.port());
  CHECK(status_of(early.ask(post("/x", std::string(200, 'a')))) == 200);  // announced is not yet received
  first.send(std::string(899, 'b'));
  refused(edge.port(), post("/x", std::string(200, 'a')), 503);
  CHECK(status_of(first.ask("b")) == 200);
  RawClient third(edge.port());
  CHECK(status_of(third.ask(post("/x", std::string(200, 'a')))) == 200);
}

TEST_CASE("a connection is kept alive and answers carry the standard fields") {
  Edge edge(with_hosts(), echo);
  RawClient client(edge.port());
  for (int i = 0; i < 3; ++i) {
    const std::string answer =
        client.ask(post("/x?i=" + std::to_string(i), "hello", "X-Request-Id: mine-1\r\n"));
    CHECK(status_of(answer) == 200);
    CHECK(body_of(answer) == "POST /x?i=" + std::to_string(i) + " hello");
    CHECK(answer.find("X-Request-Id: mine-1\r\n") != std::string::npos);
    CHECK(answer.find("Cache-Control: no-store\r\n") != std::string::npos);
    CHECK(answer.find("X-Content-Type-Options: nosniff\r\n") != std::string::npos);
    CHECK(answer.find("Content-Type: application/json\r\n") != std::string::npos);
    CHECK(answer.find("Date: ") != std::string::npos);
  }
  const std::string other = client.ask(post("/x", "", "X-Request-Id: not a clean one\r\n"));
  CHECK(other.find("not a clean one") == std::string::npos);
  CHECK(client.ask("GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .find("Connection: close") != std::string::npos);
  CHECK(client.closed());
}

TEST_CASE("a connection that has brought a large body brings further requests") {
  Edge edge(with_hosts(), echo, 1U << 20);
  RawClient client(edge.port());
  for (const std::size_t size : {5'000U, 60'000U, 200'000U}) {
    const std::string body(size, 'a');
    CHECK(body_of(client.ask(post("/x", body))) == "POST /x " + body);
    CHECK(body_of(client.ask(kGet)) == "GET /x ");
  }
}

TEST_CASE("answers are counted by status, and the time of those that change something") {
  Edge edge(with_hosts(), echo);
  RawClient client(edge.port());
  client.ask(kGet);
  client.ask(post("/x", "a"));
  client.ask(post("/x", "b"));
  refused(edge.port(), "GET /x HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421);
  std::promise<HttpCounts> counts;
  edge.loop().post([&] { counts.set_value(edge.server().counts()); });
  const HttpCounts seen = counts.get_future().get();
  CHECK(seen.answers == std::map<int, std::uint64_t>{{200, 3}, {421, 1}});
  CHECK(seen.changes.total == 2);
  CHECK((seen.changes.sum_us >= 0 && seen.changes.sum_us < 10'000'000));
}

TEST_CASE("HEAD is answered with the length and without the body") {
  Edge edge(with_hosts(), echo);
  RawClient client(edge.port());
  client.send("HEAD /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const std::string answer = client.receive(/*head_only=*/true);
  CHECK(status_of(answer) == 200);
  CHECK(answer.find("Content-Length: 8\r\n") != std::string::npos);
  CHECK(body_of(client.ask(kGet)) == "GET /x ");
}

TEST_CASE("pipelined requests are answered in their order, each after the one before") {
  std::vector<Respond> waiting;
  Edge edge(with_hosts(), [&](HttpRequest request, Respond respond) {
    if (request.target == "/later") {
      edge.loop().at(edge.loop().now() + milliseconds{50}, [respond] { respond({200, "later"}); });
    } else {
      respond({200, request.target});
    }
  });
  RawClient client(edge.port());
  std::string all;
  for (const char* const target : {"/later", "/1", "/later", "/2"}) {
    all += "GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  }
  client.send(all);
  CHECK(body_of(client.receive()) == "later");
  CHECK(body_of(client.receive()) == "/1");
  CHECK(body_of(client.receive()) == "later");
  CHECK(body_of(client.receive()) == "/2");
}

TEST_CASE("a thousand pipelined requests are answered, also when the client has shut its side") {
  Edge edge(with_hosts(), echo);
  RawClient client(edge.port());
  std::string all;
  for (int i = 0; i < 1000; ++i) all += post("/" + std::to_string(i), "x");
  client.send(all);
  for (int i = 0; i < 1000; ++i) CHECK(body_of(client.receive()) == "POST /" + std::to_string(i) + " x");
}

TEST_CASE("a request in single bytes is understood") {
  Edge edge(with_hosts(), echo);
  RawClient client(edge.port());
  for (const char c : post("/slow", "abc")) client.send({&c, 1});
  CHECK(body_of(client.receive()) == "POST /slow abc");
}

TEST_CASE("a dripping head or body is cut off at its deadline, however lively it drips") {
  HttpConfig config = with_hosts();
  config.header_time = milliseconds{200};
  config.body_time = milliseconds{200};
  Edge edge(config, echo);
  const std::string start =
      GENERATE(std::string("GET /x HTTP/1.1\r\nHost: localhost\r\nX-Drip: "),
               std::string("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n\r\n"));
  constexpr int kDripMs = 5;
  RawClient client(edge.port());
  const MonoTime begun = edge.loop().now();
  client.send(start);
  std::atomic<bool> done{false};
  std::thread dripper([&] {
    while (!done && client.send("a")) ::poll(nullptr, 0, kDripMs);
  });
  const std::string answer = client.receive();
  done = true;
  dripper.join();
  const Duration took = edge.loop().now() - begun;
  CHECK(status_of(answer) == 408);
  CHECK(took < seconds{2});
}

TEST_CASE("a silent connection is closed at its deadline") {
  HttpConfig config = with_hosts();
  config.header_time = milliseconds{100};
  config.idle_time = milliseconds{100};
  Edge edge(config, echo);
  RawClient mute(edge.port());
  CHECK(mute.closed());
  RawClient idle(edge.port());
  CHECK(status_of(idle.ask(kGet)) == 200);
  CHECK(idle.closed());
}

TEST_CASE("a handler that never answers leads to 504, and its late answer is dropped") {
  HttpConfig config = with_hosts();
  config.answer_time = milliseconds{100};
  std::vector<Respond> kept;
  Edge edge(config, [&](HttpRequest, Respond respond) { kept.push_back(std::move(respond)); });
  RawClient client(edge.port());
  const std::string answer = client.ask(kGet);
  CHECK(status_of(answer) == 504);
  CHECK(answer.find("unknown") != std::string::npos);
  std::promise<void> answered;
  edge.loop().post([&] {
    kept.at(0)({200, "late"});
    kept.clear();
    answered.set_value();
  });
  answered.get_future().wait();
  CHECK(client.closed());
}

TEST_CASE("the handler is told when its client goes away before the answer") {
  std::promise<void> taken;
  std::promise<void> gone;
  std::vector<Respond> kept;
  Edge edge(with_hosts(), [&](HttpRequest, Respond respond) {
    respond.when_gone([&] { gone.set_value(); });
    kept.push_back(std::move(respond));
    taken.set_value();
  });
  RawClient client(edge.port());
  client.send(kGet);
  taken.get_future().wait();
  client.close();
  CHECK(gone.get_future().wait_for(seconds{5}) == std::future_status::ready);
  std::promise<void> dropped;
  edge.loop().post([&] {
    kept.at(0)({200, "nobody there"});
    kept.clear();
    dropped.set_value();
  });
  dropped.get_future().wait();
}

TEST_CASE("two hundred dripping connections do not hinder a healthy request") {
  Edge edge(with_hosts(), echo);
  std::vector<std::unique_ptr<RawClient>> slow;
  for (int i = 0; i < 200; ++i) {
    slow.push_back(std::make_unique<RawClient>(edge.port()));
    slow.back()->send("POST /x HTTP/1.1\r\nHost: localhost\r\nX-Drip: ");
  }
  for (const auto& client : slow) client->send("a");
  const MonoTime begun = edge.loop().now();
  RawClient healthy(edge.port());
  CHECK(status_of(healthy.ask(kGet)) == 200);
  CHECK(edge.loop().now() - begun < milliseconds{500});
}

TEST_CASE("connections beyond the bound are told so and closed") {
  HttpConfig config = with_hosts();
  config.connections = 2;
  Edge edge(config, echo);
  RawClient first(edge.port());
  RawClient second(edge.port());
  CHECK(status_of(first.ask(kGet)) == 200);
  CHECK(status_of(second.ask(kGet)) == 200);
  RawClient third(edge.port());
  const std::string answer = third.receive();
  CHECK(status_of(answer) == 503);
  CHECK(answer.find("Retry-After: 1") != std::string::npos);
  CHECK(third.closed());
}

TEST_CASE("what is to happen after an answer happens when it has been written") {
  std::promise<void> after;
  Edge edge(with_hosts(), [&](HttpRequest, Respond respond) {
    HttpResponse response;
    response.after_write = [&] { after.set_value(); };
    respond(std::move(response));
  });
  RawClient client(edge.port());
  CHECK(status_of(client.ask(kGet)) == 200);
  CHECK(after.get_future().wait_for(seconds{5}) == std::future_status::ready);
}

TEST_CASE("a stop finishes the answer in flight, closes idle connections and takes no more") {
  std::promise<Respond> taken;
  Edge edge(with_hosts(), [&](HttpRequest request, Respond respond) {
    request.target == "/wait" ? taken.set_value(respond) : respond({200, "ok"});
  });
  RawClient idle(edge.port());
  CHECK(status_of(idle.ask(kGet)) == 200);
  RawClient busy(edge.port());
  busy.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const Respond respond = taken.get_future().get();
  std::promise<void> stopped;
  edge.loop().post([&] { edge.server().stop([&] { stopped.set_value(); }); });
  CHECK(idle.closed());
  edge.loop().post([&] { respond({200, "finished"}); });
  const std::string answer = busy.receive();
  CHECK(body_of(answer) == "finished");
  CHECK(answer.find("Connection: close") != std::string::npos);
  busy.close();
  CHECK(stopped.get_future().wait_for(seconds{5}) == std::future_status::ready);
}

}  // namespace duly::testing
