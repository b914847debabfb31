// The OpenAPI document of proto-schemas/openapi.yaml, embedded at build time.
#pragma once

#include <string_view>

namespace duly {

std::string_view openapi_text();

}  // namespace duly
