// What the shared library shows to those who link it; everything else in it is hidden.
#pragma once

#define DULY_CLIENT_API __attribute__((visibility("default")))
