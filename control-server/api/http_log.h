// Requests and answers in the log, at debug.
#pragma once

#include <string>

#include "control-server/api/http_head.h"

namespace duly {

void log_request(const std::string& id, const HttpHead& head, const std::string& peer);
void log_answer(const std::string& id, int status);

}  // namespace duly
