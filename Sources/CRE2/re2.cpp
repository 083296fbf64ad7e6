#include "CRE2.h"

#include <re2/re2.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <string>

namespace {
// RE2 takes `int` positions in places; nothing longer ever reaches a route.
constexpr size_t longest_text = size_t{1} << 30;
constexpr int most_groups = 10;

void report(const std::string &message, char *error, size_t capacity) {
    if (capacity == 0) return;
    size_t length = std::min(message.size(), capacity - 1);
    std::memcpy(error, message.data(), length);
    error[length] = 0;
}
}  // namespace

struct CausewayRE2 {
    RE2 re;
    CausewayRE2(const re2::StringPiece &pattern, const RE2::Options &options) : re(pattern, options) {}
};

extern "C" CausewayRE2 *causeway_re2_compile(
    const char *pattern, size_t length, bool case_sensitive, int64_t memory, int program, char *error, size_t capacity) {
    try {
        RE2::Options options;
        options.set_log_errors(false);
        options.set_case_sensitive(case_sensitive);
        options.set_max_mem(memory);
        std::unique_ptr<CausewayRE2> made(new CausewayRE2(re2::StringPiece(pattern, length), options));
        if (!made->re.ok()) {
            report(made->re.error(), error, capacity);
            return nullptr;
        }
        if (made->re.ProgramSize() > program) {
            report(
                "pattern too large: " + std::to_string(made->re.ProgramSize()) + " instructions, at most " +
                    std::to_string(program),
                error, capacity);
            return nullptr;
        }
        return made.release();
    } catch (const std::bad_alloc &) {
        report("out of memory", error, capacity);
        return nullptr;
    }
}

extern "C" void causeway_re2_free(CausewayRE2 *pattern) { delete pattern; }

extern "C" bool causeway_re2_match(const CausewayRE2 *pattern, const char *text, size_t length, bool whole) {
    if (length > longest_text) return false;
    return pattern->re.Match(
        re2::StringPiece(text, length), 0, length, whole ? RE2::ANCHOR_BOTH : RE2::ANCHOR_START, nullptr, 0);
}

extern "C" int causeway_re2_groups(const CausewayRE2 *pattern) { return pattern->re.NumberOfCapturingGroups(); }

extern "C" bool causeway_re2_capture(
    const CausewayRE2 *pattern, const char *text, size_t length, ptrdiff_t *offsets, size_t *lengths, int count) {
    if (length > longest_text) return false;
    if (text == nullptr) text = "";  // an empty group must be told from one that took no part
    re2::StringPiece groups[most_groups];
    int asked = std::min({count, most_groups, 1 + pattern->re.NumberOfCapturingGroups()});
    if (!pattern->re.Match(re2::StringPiece(text, length), 0, length, RE2::ANCHOR_START, groups, asked)) return false;
    for (int i = 0; i < count; i++) {
        bool took_part = i < asked && groups[i].data() != nullptr;
        offsets[i] = took_part ? groups[i].data() - text : -1;
        lengths[i] = took_part ? groups[i].size() : 0;
    }
    return true;
}

extern "C" size_t causeway_re2_literal_prefix(const CausewayRE2 *pattern, char *prefix, size_t capacity) {
    try {
        // The range that RE2 computes holds for a search; only a pattern that is itself anchored tells about the first
        // byte, so the anchor is put in front.
        RE2::Options options;
        options.Copy(pattern->re.options());
        RE2 anchored("^(?:" + pattern->re.pattern() + ")", options);
        std::string low, high;
        if (!anchored.ok() || !anchored.PossibleMatchRange(&low, &high, static_cast<int>(std::min<size_t>(capacity, 128))))
            return 0;
        size_t common = 0;
        while (common < capacity && common < low.size() && common < high.size() && low[common] == high[common]) common++;
        std::memcpy(prefix, low.data(), common);
        return common;
    } catch (const std::bad_alloc &) {
        return 0;
    }
}
