// What the kernel knows of this process, under the names that Prometheus clients have agreed on.

import Glibc

/// The process in numbers, for both processes.
package enum ProcessFigures {
    /// Seconds since 1970 at the first look, which is at the start.
    package static let started = seconds(CLOCK_REALTIME)

    package static func add(to page: inout PrometheusText) {
        page.begin("process_cpu_seconds_total", .counter, help: "CPU time of all threads.")
        page.sample([], seconds(CLOCK_PROCESS_CPUTIME_ID))
        page.begin("process_resident_memory_bytes", .gauge, help: "Memory in use.")
        page.sample([], residentBytes())
        page.begin("process_open_fds", .gauge, help: "Open file descriptors.")
        page.sample([], openDescriptors())
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        page.begin("process_max_fds", .gauge, help: "How many there may be.")
        page.sample([], UInt64(limit.rlim_cur))
        page.begin("process_start_time_seconds", .gauge, help: "When the process started, in seconds since 1970.")
        page.sample([], started)
    }

    private static func seconds(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1_000_000_000
    }

    /// The second number of /proc/self/statm, in pages.
    private static func residentBytes() -> UInt64 {
        let file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return 0 }
        defer { close(file) }
        var text = [UInt8](repeating: 0, count: 128)
        let count = read(file, &text, text.count)
        guard count > 0 else { return 0 }
        let numbers = text[..<count].split(separator: UInt8(ascii: " "))
        guard numbers.count > 1, let pages = UInt64(String(decoding: numbers[1], as: UTF8.self)) else { return 0 }
        return pages * UInt64(max(0, sysconf(Int32(_SC_PAGESIZE))))
    }

    private static func openDescriptors() -> UInt64 {
        guard let folder = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(folder) }
        // `.`, `..` and the folder's own do not count.
        var count: UInt64 = 0
        while readdir(folder) != nil { count += 1 }
        return count > 3 ? count - 3 : 0
    }
}
