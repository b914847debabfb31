// What of the queues' settings, by policy or by argument, would lose messages of Duly without any sign. Pure.
//
// Publishing shows a full queue that rejects, and nothing of one that drops from its head, lets messages
// expire, or sends what is rejected elsewhere: AMQP does not tell the policies in force.  RabbitMQ's
// management API does.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace duly {

// Reads the answer to GET /api/queues/VHOST, with the columns name, durable, auto_delete, arguments and
// effective_policy_definition.  One line for each finding, in the order of the answer.
Result<std::vector<std::string>> find_lossy_settings(std::string_view answer);

}  // namespace duly
