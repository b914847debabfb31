// The usual numbers of a process under their usual names: memory, processor time, open files, when it began.
#pragma once

#include "common/metrics/metrics_page.h"

namespace duly {

void add_process_metrics(MetricsPage& page);

}  // namespace duly
