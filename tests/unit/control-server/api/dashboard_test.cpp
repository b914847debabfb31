#include "control-server/api/dashboard.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "control-server/api/http_response.h"
#include "tests/unit/control-server/api/api_world.h"

namespace duly::testing {
namespace {

using World = ApiWorld;

TEST_CASE("the front page is the dashboard, under a policy that lets nothing else in") {
  World w;
  w.ask("GET", "/");
  REQUIRE(w.status() == 200);
  CHECK(w.answer->content_type.starts_with("text/html"));
  CHECK(w.answer->body.starts_with("<!doctype html>"));
  const std::string policy = w.field("Content-Security-Policy");
  CHECK(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
  CHECK(policy.find("frame-ancestors 'none'") != std::string::npos);
  CHECK(policy.find("unsafe") == std::string::npos);
  CHECK(w.field("Referrer-Policy") == "no-referrer");
}

TEST_CASE("every file of the dashboard is served whole, with its type and a tag of its own") {
  World w;
  std::vector<std::string_view> tags;
  for (const DashboardFile& file : dashboard_files()) {
    CAPTURE(file.name);
    w.ask("GET", "/dashboard/" + std::string(file.name));
    REQUIRE(w.status() == 200);
    CHECK(w.answer->body == file.text);
    CHECK(w.answer->content_type == file.content_type);
    CHECK_FALSE(w.field("Content-Security-Policy").empty());
    CHECK(w.field("ETag") == file.etag);
    CHECK(file.etag.size() == 18);
    CHECK(std::find(tags.begin(), tags.end(), file.etag) == tags.end());
    tags.push_back(file.etag);
  }
  CHECK(tags.size() > 10);
}

TEST_CASE("what the front page and the modules ask for is there") {
  const DashboardFile* page = dashboard_file("index.html");
  REQUIRE(page != nullptr);
  const std::string_view mark = "dashboard/";
  for (std::size_t at = page->text.find(mark); at != std::string_view::npos; at = page->text.find(mark, at)) {
    at += mark.size();
    const std::string_view name = page->text.substr(at, page->text.find('"', at) - at);
    CAPTURE(name);
    CHECK(dashboard_file(name) != nullptr);
  }
  for (const DashboardFile& file : dashboard_files()) {
    const std::string_view from = " from './";
    for (std::size_t at = file.text.find(from); at != std::string_view::npos; at = file.text.find(from, at)) {
      at += from.size();
      const std::string_view name = file.text.substr(at, file.text.find('\'', at) - at);
      CAPTURE(file.name, name);
      CHECK(dashboard_file(name) != nullptr);
    }
  }
}

TEST_CASE("a file that the browser has is not sent again") {
  World w;
  const std::string tag(dashboard_file("app.js")->etag);
  for (const std::string& seen : {tag, "W/" + tag, "\"other\", " + tag, std::string("*")}) {
    w.ask("GET", "/dashboard/app.js", {}, {{"if-none-match", seen}});
    CHECK(w.status() == 304);
    CHECK(w.answer->body.empty());
    CHECK(w.field("ETag") == tag);
  }
  w.ask("GET", "/dashboard/app.js", {}, {{"if-none-match", "\"other\""}});
  CHECK(w.status() == 200);
}

TEST_CASE("there is nothing beside the dashboard's files") {
  World w;
  for (const std::string path : {"/dashboard/nothing.js", "/dashboard/..%2frouter.cpp", "/dashboard/%2e%2e",
                                 "/dashboard/", "/dashboard", "/dashboard/a/b"}) {
    CAPTURE(path);
    w.ask("GET", path);
    CHECK(w.status() == 404);
  }
  w.ask("POST", "/dashboard/app.js");
  CHECK(w.status() == 405);
}

TEST_CASE("an answer's own Cache-Control replaces the usual one, and a 304 tells no length") {
  HttpResponse response;
  response.status = 304;
  response.fields.emplace_back("Cache-Control", "no-cache");
  const std::string text = serialize(response, {"id-1", "now"});
  CHECK(text.starts_with("HTTP/1.1 304 Not Modified\r\n"));
  CHECK(text.find("Cache-Control: no-cache\r\n") != std::string::npos);
  CHECK(text.find("no-store") == std::string::npos);
  CHECK(text.find("Content-Length") == std::string::npos);
  CHECK(text.ends_with("\r\n\r\n"));
}

}  // namespace
}  // namespace duly::testing
