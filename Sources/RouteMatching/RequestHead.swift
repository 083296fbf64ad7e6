// What matching looks at: the head of a request as bytes that somebody else owns. Nothing here owns memory, so a head is
// made on the stack from whatever buffers the parser or the HPACK decoder filled, and lives as long as they do.

/// One header field. Its layout is that of `nghttp2_nv`, so that decoded blocks are used without conversion.
///
/// Names are in lower case. Pseudo-headers may stand among the fields; matching takes them from `RequestHead` instead.
package struct HeaderField {
    package var name: UnsafeMutablePointer<UInt8>?
    package var value: UnsafeMutablePointer<UInt8>?
    package var nameLength: Int
    package var valueLength: Int
    package var flags: UInt8

    @inlinable
    package init(
        name: UnsafeMutablePointer<UInt8>?, value: UnsafeMutablePointer<UInt8>?, nameLength: Int, valueLength: Int,
        flags: UInt8 = 0
    ) {
        self.name = name
        self.value = value
        self.nameLength = nameLength
        self.valueLength = valueLength
        self.flags = flags
    }
}

/// The head of a request, borrowed.
package struct RequestHead {
    package var method: UnsafeRawBufferPointer
    package var scheme: UnsafeRawBufferPointer
    /// As sent: with port, in any letter case.
    package var authority: UnsafeRawBufferPointer
    /// Normalised (`PathNormalizer`), without the query.
    package var path: UnsafeRawBufferPointer
    /// Without `?`; empty if there is none.
    package var query: UnsafeRawBufferPointer
    package var fields: UnsafeBufferPointer<HeaderField>

    @inlinable
    package init(
        method: UnsafeRawBufferPointer, scheme: UnsafeRawBufferPointer, authority: UnsafeRawBufferPointer,
        path: UnsafeRawBufferPointer, query: UnsafeRawBufferPointer, fields: UnsafeBufferPointer<HeaderField>
    ) {
        self.method = method
        self.scheme = scheme
        self.authority = authority
        self.path = path
        self.query = query
        self.fields = fields
    }
}
