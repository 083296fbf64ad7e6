// Hands a target to libFuzzer. SwiftPM gives the main function a name of its own, so libFuzzer's main cannot be taken as it is.

import Glibc

package typealias Target = @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutableRawPointer, _ target: Target
) -> CInt

/// Runs libFuzzer with the process's arguments; `target` gets one input after another.
package func fuzz(_ target: Target) -> Never {
    var count = CommandLine.argc
    var arguments = CommandLine.unsafeArgv
    exit(runDriver(&count, &arguments, target))
}
