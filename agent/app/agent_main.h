// An agent as a program: flags, connections, handlers, orderly leaving.
//
// A program of your own calls run_agent() from main() with its handlers in `handlers`; the built-in ones are
// added.
#pragma once

#include "agent/handlers/handler.h"

namespace duly {

// Runs until SIGTERM or SIGINT, drains, and gives the exit code.
int run_agent(int argc, char** argv, HandlerRegistry& handlers);

}  // namespace duly
