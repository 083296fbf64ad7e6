// Who may take over when, and what becomes of a handover that goes wrong.

import DataPlane
import Testing

struct HandoverStateTests {
    /// Up to where the new worker begins to accept.
    private func committing() -> HandoverState {
        var state = HandoverState()
        #expect(state.requested(isDraining: false) == .start)
        #expect(state.held() == .offer)
        #expect(state.received(.ready) == .hold)
        #expect(state.held() == .go)
        return state
    }

    @Test func theOldOneDrainsWhenTheNewOneServes() {
        var state = committing()
        #expect(state.received(.serving) == .drain)
        #expect(!state.isUnderWay)
        #expect(state.failures == 0)
        #expect(state.requested(isDraining: true) == .refuse("this worker drains"))
    }

    @Test func oneAtATimeAndNoneWhileDraining() {
        var state = HandoverState()
        #expect(state.requested(isDraining: true) == .refuse("this worker drains"))
        #expect(state.requested(isDraining: false) == .start)
        #expect(state.requested(isDraining: false) == .refuse("a handover is under way"))
    }

    @Test func aFailureAtAnyStepIsTakenBackAndAnotherMayFollow() {
        var state = HandoverState()
        for step in 0..<4 {
            #expect(state.requested(isDraining: false) == .start)
            if step > 0 { #expect(state.held() == .offer) }
            if step > 1 { #expect(state.received(.ready) == .hold) }
            if step > 2 { #expect(state.held() == .go) }
            #expect(state.failed("it has ended") == .giveUp("it has ended"))
            #expect(!state.isUnderWay)
            // The client may say only now that it stands still.
            #expect(state.held() == .nothing)
        }
        #expect(state.failures == 4)
    }

    @Test func messagesOutOfTurnEndIt() {
        let wrong: [HandoverMessage] = [.serving, .go(served: ""), .descriptors([])]
        for message in wrong {
            var state = HandoverState()
            _ = state.requested(isDraining: false)
            _ = state.held()
            #expect(state.received(message) == .giveUp("it broke the protocol"))
        }
        var early = HandoverState()
        _ = early.requested(isDraining: false)
        #expect(early.received(.ready) == .giveUp("it broke the protocol"))
        var late = committing()
        #expect(late.received(.ready) == .giveUp("it broke the protocol"))
    }

    @Test func aRefusalSaysWhy() {
        var state = committing()
        #expect(state.received(.refused("no folder")) == .giveUp("it refuses: no folder"))
    }

    @Test func anOrderToEndIsNoFailure() {
        var state = committing()
        state.abandoned()
        #expect(!state.isUnderWay)
        #expect(state.failures == 0)
    }
}
