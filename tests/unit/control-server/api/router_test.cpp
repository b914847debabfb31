#include "control-server/api/router.h"

#include <catch2/catch.hpp>

namespace duly {
namespace {

HttpResponse ask(const Router& router, std::string method, std::string target) {
  HttpResponse got;
  HttpRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  router.handle(std::move(request),
                Respond([&](HttpResponse response) { got = std::move(response); }, [](auto) {}));
  return got;
}

// Answers with its name, arguments and query.
Route route(std::string_view method, std::string_view pattern, std::vector<std::string_view> query = {}) {
  return {method, pattern, Role::none,
          [pattern](ApiCall&& call) {
            std::string text(pattern);
            for (const std::string& arg : call.args) text += " " + arg;
            for (const auto& [name, value] : call.query) text += " " + name + "=" + value;
            call.respond({200, text});
          },
          std::move(query)};
}

Router make() {
  return Router({route("GET", "/"), route("GET", "/v1/things", {"limit", "label.*"}),
                 route("POST", "/v1/things"), route("GET", "/v1/things/{id}"),
                 route("PUT", "/v1/things/{id}/part/{n}"), route("GET", "/free", {"*"})});
}

}  // namespace

TEST_CASE("a path finds its route, with the parts in braces decoded") {
  const Router router = make();
  CHECK(ask(router, "GET", "/").body == "/");
  CHECK(ask(router, "POST", "/v1/things").body == "/v1/things");
  CHECK(ask(router, "HEAD", "/v1/things").body == "/v1/things");
  CHECK(ask(router, "GET", "/v1/things/a%2Fb").body == "/v1/things/{id} a/b");
  CHECK(ask(router, "PUT", "/v1/things/x/part/7").body == "/v1/things/{id}/part/{n} x 7");
}

TEST_CASE("an unknown path is 404 and an unknown method 405 with what is allowed") {
  const Router router = make();
  for (const char* const path : {"/nothing", "/v1/things/", "/v1//things", "/v1/things/a/b", "//"}) {
    CHECK(ask(router, "GET", path).status == 404);
  }
  const HttpResponse refused = ask(router, "DELETE", "/v1/things");
  CHECK(refused.status == 405);
  REQUIRE(refused.fields.size() == 1);
  CHECK(refused.fields[0].first == "Allow");
  CHECK(refused.fields[0].second == "GET, HEAD, POST");
  CHECK(ask(router, "GET", "/v1/things/%zz").status == 400);
}

TEST_CASE("a query parameter that the route does not know is an error that names it") {
  const Router router = make();
  CHECK(ask(router, "GET", "/v1/things?limit=5&label.a+b=c%20d").body == "/v1/things limit=5 label.a b=c d");
  CHECK(ask(router, "GET", "/v1/things?").body == "/v1/things");
  for (const char* const query : {"?nonsense=1", "?limit=1&nonsense", "?nonsense"}) {
    const HttpResponse refused = ask(router, "GET", std::string("/v1/things") + query);
    CHECK(refused.status == 400);
    CHECK(refused.body.find("nonsense: unknown query parameter") != std::string::npos);
  }
  CHECK(ask(router, "GET", "/v1/things?limit=1&limit=2").status == 400);
  CHECK(ask(router, "GET", "/v1/things?limit=%f").status == 400);
  CHECK(ask(router, "GET", "/v1/things/7?limit=1").status == 400);
  CHECK(ask(router, "GET", "/free?whatever=1").status == 200);
}

}  // namespace duly
