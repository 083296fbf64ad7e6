// The forms of gRPC by their content-type: gRPC itself, and gRPC-Web with its body as bytes or as base64.

internal import CNghttp2
internal import Glibc

enum GRPCForm: UInt8 {
    case none
    /// gRPC over HTTP/2, "Requests".
    case native
    case web
    case webText

    /// `application/grpc`, `-web` or `-web-text`, alone or followed by `+` or `;`.
    @inline(__always)
    init(_ field: nghttp2_nv) {
        guard field.valuelen >= 16, memcmp(field.value, "application/grpc", 16) == 0 else {
            self = .none
            return
        }
        self = .native
        if field.valuelen > 16 { self.init(suffixOf: field) }
    }

    @inline(never)
    private init(suffixOf field: nghttp2_nv) {
        self = .none
        for (form, length) in [(GRPCForm.native, 16), (.webText, 25), (.web, 20)] {
            guard field.valuelen >= length, memcmp(field.value, "application/grpc-web-text", length) == 0 else {
                continue
            }
            if field.valuelen == length || field.value[length] == UInt8(ascii: "+")
                || field.value[length] == UInt8(ascii: ";")
            {
                self = form
            }
        }
    }

    /// How long its name is, without `+proto` and parameters.
    var nameLength: Int {
        switch self {
        case .none, .native: 16
        case .web: 20
        case .webText: 25
        }
    }
}
