// `causeway-control reset-password USER`: asks for the new password at the terminal, or takes a line of standard input.

import ArgumentParser
import ControlPlane
import Glibc
import Logging
import Telemetry

struct ResetPassword: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Gives a user a new password, with or without a running control plane, and ends the user's sessions.",
        discussion: "The password is asked for; without a terminal it is the first line of standard input.")

    @Argument(help: "Name of the user.")
    var user: String

    @Option(help: "Folder of the control plane.")
    var data: String

    @Option(help: "Folder of the database's migrations.")
    var migrations = "migrations"

    func run() async throws {
        JSONLinesLogHandler.bootstrap(LogThreshold(.warning))
        do {
            let options = ControlPlaneOptions(data: data, migrations: migrations)
            print(
                try await PasswordReset.run(
                    options, user: user, password: try Self.password(), logger: Logger(label: "causeway-control")))
        } catch {
            Self.say("\(error)\n")
            throw ExitCode.failure
        }
    }

    private static func password() throws -> String {
        guard isatty(STDIN_FILENO) == 1 else {
            guard let line = readLine() else { throw StartError("No password came in by standard input.") }
            return line
        }
        let first = try ask("New password: ")
        guard try ask("The same again: ") == first else { throw StartError("The two differ; nothing was changed.") }
        return first
    }

    /// On standard error: standard output is for the result.
    private static func say(_ text: String) {
        _ = text.withCString { write(STDERR_FILENO, $0, strlen($0)) }
    }

    /// Reads a line without showing it.
    private static func ask(_ prompt: String) throws -> String {
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
