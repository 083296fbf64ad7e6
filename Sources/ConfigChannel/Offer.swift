// One publish to one subscriber: what it will be told, as frames that are made one at a time, so that a snapshot of a
// hundred thousand objects never lies encoded in memory. Where it is known what the subscriber serves, only what differs is told.

package import ConfigModel
package import Seal

/// An object that a subscriber does not get in its newest form, because it refused that form.
package struct HeldBackObject: Hashable, Sendable {
    package var key: ObjectKey
    package var reasons: [ProblemReport]
    /// The subscriber keeps the form before. Otherwise it serves without the object.
    package var keepsLastForm: Bool

    package init(key: ObjectKey, reasons: [ProblemReport], keepsLastForm: Bool) {
        self.key = key
        self.reasons = reasons
        self.keepsLastForm = keepsLastForm
    }
}

/// A version on its way to a subscriber.
package struct Offer: Sendable {
    package let nonce: UInt64
    /// What is offered. Its root is another one than that of the version where objects are held back.
    package let content: Snapshot
    /// What the subscriber serves: then only what differs is sent. `nil`: everything is.
    package let base: Snapshot?
    /// The complete version.
    let target: Snapshot
    /// Objects to be kept in the form that the subscriber has, whatever that is; in order. Then everything is sent.
    package let retained: [ObjectKey]
    package let heldBack: [HeldBackObject]

    package var versionRoot: Hash256 { target.root }
    package var history: HistoryID { content.historyID }
    package var version: UInt64 { content.version }

    package func frames() -> OfferFrames {
        OfferFrames(offer: self)
    }
}

/// The frames of an offer: begin, chunks of objects, end.
package struct OfferFrames: Sequence, IteratorProtocol {
    private enum Stage {
        case begin
        case objects
        case done
    }

    private let offer: Offer
    private var stage = Stage.begin
    private var objects: any IteratorProtocol<SnapshotObject>
    /// What comes after the objects and has no bytes.
    private var rest: ArraySlice<ObjectEntry>
    private let count: Int
    /// Held back in a form that is known here.
    private let kept: Set<ObjectKey>

    init(offer: Offer) {
        self.offer = offer
        kept = Set(offer.heldBack.lazy.filter(\.keepsLastForm).map(\.key))
        if let base = offer.base {
            let diff = SnapshotDiff(from: base, to: offer.content)
            let forms = diff.added + diff.changed.map(\.new)
            objects = forms.makeIterator()
            rest = diff.removed.map { ObjectEntry($0.key, .removed) }[...]
            count = diff.count
        } else {
            objects = offer.content.objects.makeIterator()
            rest = offer.retained.map { ObjectEntry($0, .kept) }[...]
            count = offer.content.objects.count + offer.retained.count
        }
    }

    package mutating func next() -> [UInt8]? {
        switch stage {
        case .begin:
            stage = .objects
            return encode(
                .publishBegin(
                    PublishBegin(
                        nonce: offer.nonce, history: offer.history, version: offer.version,
                        versionRoot: offer.versionRoot, root: offer.retained.isEmpty ? offer.content.root : nil,
                        base: offer.base?.root, objectCount: UInt32(count))))
        case .objects:
            if let chunk = chunk() { return chunk }
            stage = .done
            return encode(.publishEnd(nonce: offer.nonce))
        case .done: return nil
        }
    }

    private mutating func chunk() -> [UInt8]? {
        var writer = WireWriter()
        while writer.payloadCount < ChannelLimits.chunkBytes, let entry = nextEntry() {
            entry.write(to: &writer)
        }
        return writer.payloadCount == 0 ? nil : writer.frame(.objects)
    }

    private mutating func nextEntry() -> ObjectEntry? {
        guard let object = objects.next() else { return rest.popFirst() }
        // The worker serves the last good form of what is held back: sent again, it could be damaged again on its way.
        if kept.contains(object.key), offer.base == nil { return ObjectEntry(object.key, .kept) }
        let bytes = object.object.canonicalBytes()
        // An object over the bound is refused when it is saved. Should one exist all the same, no bytes are no object:
        // the subscriber NACKs it by name, and everything else goes on.
        return ObjectEntry(object.key, .bytes(bytes.count <= ChannelLimits.objectBytes ? bytes : []))
    }
}
