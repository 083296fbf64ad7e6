// `causeway-control`: the control plane and the commands for its data folder.

import ArgumentParser
import ControlPlane

@main
struct CausewayControl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "causeway-control",
        abstract: "The control plane of Causeway, and commands for its data folder.",
        discussion: "Without a command it serves; `causeway-control serve --help` lists its flags.",
        version: ControlPlaneVersion.current, subcommands: [Serve.self, ResetPassword.self, Restore.self],
        defaultSubcommand: Serve.self)
}
