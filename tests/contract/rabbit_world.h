// A BrokerWorld around a real node that scripts/lib/rabbit started.
#pragma once

#include <memory>

#include "tests/contract/broker_world.h"

namespace duly::test {

// Fails the test when DULY_TEST_AMQP or DULY_TEST_RABBIT_DIR is not set.
std::unique_ptr<BrokerWorld> make_rabbit_world();

}  // namespace duly::test
