// Passwords from whoever sits at the terminal.

import ControlPlane
import Glibc

enum Terminal {
    /// A new password, asked for twice; without a terminal the first line of standard input.
    static func newPassword() throws -> String {
        guard isatty(STDIN_FILENO) == 1 else {
            guard let line = readLine() else { throw StartError("No password came in by standard input.") }
            return line
        }
        let first = try ask("New password: ")
        guard try ask("The same again: ") == first else { throw StartError("The two differ; nothing was changed.") }
        return first
    }

    /// On standard error: standard output is for the result.
    static func say(_ text: String) {
        _ = text.withCString { write(STDERR_FILENO, $0, strlen($0)) }
    }

    /// Reads a line without showing it; without a terminal from standard input.
    static func ask(_ prompt: String) throws -> String {
        guard isatty(STDIN_FILENO) == 1 else {
            guard let line = readLine() else { throw StartError("No password came in by standard input.") }
            return line
        }
        var shown = termios()
        guard tcgetattr(STDIN_FILENO, &shown) == 0 else { throw StartError("The terminal cannot be set up.") }
        var hidden = shown
        hidden.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden)
        defer {
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown)
            say("\n")
        }
        say(prompt)
        guard let line = readLine() else { throw StartError("No password was given; nothing was changed.") }
        return line
    }
}
