// `causeway-control restore FILE`: puts a backup in the place of a data folder's database, with no control plane running.

import ArgumentParser
import ControlPlane
import Logging
import Telemetry

struct Restore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Puts a backup in the place of the database, with no control plane running on the folder.",
        discussion: """
            The backup is checked in full first; what fails leaves the folder as it was. Sessions end. The passphrase is asked for \
            where the folder does not have the key of the backup; without a terminal it is the first line of standard input.
            """)

    @Argument(help: "The backup, as POST /v1/backup gave it.")
    var file: String

    @Option(help: "Folder of the control plane; made if absent.")
    var data: String

    @Option(help: "Folder of the database's migrations.")
    var migrations = "migrations"

    func run() async throws {
        JSONLinesLogHandler.bootstrap(LogThreshold(.notice))
        do {
            print(
                try RestoreCommand.run(
                    file, ControlPlaneOptions(data: data, migrations: migrations),
                    logger: Logger(label: "causeway-control")
                ) { try Terminal.ask("Passphrase of the backup: ") })
        } catch {
            Terminal.say("\(error)\n")
            throw ExitCode.failure
        }
    }
}
