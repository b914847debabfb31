#include <catch2/catch.hpp>
#include <string>

#include "control-server/api/api_support.h"

namespace duly {
namespace {

const std::string kHeader = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

HttpRequest request_with(std::vector<HttpField> fields) {
  HttpRequest request;
  request.fields = std::move(fields);
  return request;
}

}  // namespace

TEST_CASE("a request's trace is that of its headers, several tracestates are one list") {
  const TracePtr trace =
      trace_of(request_with({{"tracestate", "a=1"}, {"traceparent", kHeader}, {"tracestate", "b=2"}}));
  REQUIRE(trace);
  CHECK(trace->traceparent() == kHeader);
  CHECK(trace->state == "a=1,b=2");
}

TEST_CASE("a traceparent that comes twice, or not at all, is none") {
  CHECK(trace_of(request_with({{"traceparent", kHeader}, {"traceparent", kHeader}})) == nullptr);
  CHECK(trace_of(request_with({{"tracestate", "a=1"}})) == nullptr);
  CHECK(trace_of(request_with({})) == nullptr);
}

}  // namespace duly
