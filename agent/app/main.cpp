// duly-agent: an agent with the built-in handlers.
#include "agent/app/agent_main.h"

int main(int argc, char** argv) {
  duly::HandlerRegistry handlers;
  return duly::run_agent(argc, argv, handlers);
}
