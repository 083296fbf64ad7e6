// libnghttp2, used for HPACK only (`nghttp2_hd_*`): framing and stream state are our own (docs/ARCHITECTURE.md).
#pragma once
#include <nghttp2/nghttp2.h>
