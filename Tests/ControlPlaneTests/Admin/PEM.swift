// Certificates and keys of tests, P-256, self-signed: nothing here is used anywhere else.

enum PEM {
    /// a.test and *.a.test, 2020 to 2120.
    static let good = (
        cert: """
        -----BEGIN CERTIFICATE-----
        MIIBUTCB+aADAgECAhRY8id9t50xhui1dhUsGsOLwhVCxTAKBggqhkjOPQQDAjAR
        MQ8wDQYDVQQDDAZhLnRlc3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAw
        MDBaMBExDzANBgNVBAMMBmEudGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
        BANxRM/W2Ydx32VYruntbURk7ObZOpA5fPpA1Tq7uxLIwtmdnI5WfYA+cD9VcWqZ
        zo7TCeVbXdJVH/TqsnOkjSyjLTArMAwGA1UdEwEB/wQCMAAwGwYDVR0RBBQwEoIG
        YS50ZXN0gggqLmEudGVzdDAKBggqhkjOPQQDAgNHADBEAiBnrFvC+gPSbC6OM5tY
        VriqnM/5R/SdOAnxl1TVtWoVtwIgIbFrUct5+yHtArKx9vjjQkaRecZWfCFOaaw2
        fAGjNlY=
        -----END CERTIFICATE-----
        """,
        key: """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgZBwM1HGLGTp7+D7X
        tBQJalkTnobagLE8km2VoiF7FuqhRANCAAQDcUTP1tmHcd9lWK7p7W1EZOzm2TqQ
        OXz6QNU6u7sSyMLZnZyOVn2APnA/VXFqmc6O0wnlW13SVR/06rJzpI0s
        -----END PRIVATE KEY-----
        """
    )

    /// b.test as common name only.
    static let noSAN = (
        cert: """
        -----BEGIN CERTIFICATE-----
        MIIBNjCB3KADAgECAhRJgmcEEgDvU/Yfvt32zoHquXHMPDAKBggqhkjOPQQDAjAR
        MQ8wDQYDVQQDDAZiLnRlc3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAw
        MDBaMBExDzANBgNVBAMMBmIudGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
        BGezp1yBuegdRVHKZAfSuQrYliCSvlYfrRnz9UpsY4BC4RUmpncKX53bbianXeb0
        HG7g+IlGI37eyPs293JZSJ2jEDAOMAwGA1UdEwEB/wQCMAAwCgYIKoZIzj0EAwID
        SQAwRgIhAO6jogbbQtHbDiEzH27dmuhdH/O3mksJU02Jwwrrw3LFAiEAnRBLumj2
        G76Jf630a4/OaoQsKBZE4KfZFP9vURVUUcE=
        -----END CERTIFICATE-----
        """,
        key: """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgXawvke0L5IHQEAgs
        3ggighxZGeRdaPkDVpJnwXQarLahRANCAARns6dcgbnoHUVRymQH0rkK2JYgkr5W
        H60Z8/VKbGOAQuEVJqZ3Cl+d224mp13m9Bxu4PiJRiN+3sj7NvdyWUid
        -----END PRIVATE KEY-----
        """
    )

    /// old.test, until 2021.
    static let expired = (
        cert: """
        -----BEGIN CERTIFICATE-----
        MIIBTTCB86ADAgECAhQrRuAnPmroIF/zR5oZCnZTlZsmdDAKBggqhkjOPQQDAjAT
        MREwDwYDVQQDDAhvbGQudGVzdDAeFw0yMDAxMDEwMDAwMDBaFw0yMTAxMDEwMDAw
        MDBaMBMxETAPBgNVBAMMCG9sZC50ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD
        QgAEC6wr7jV6aXmAFE5ElGnDxRoCPyToMkll8zxMyHiIFYIkijFrYKa1GpzhbOmE
        tNrrkAcHZ0GM86HSDuooJU/T4KMlMCMwDAYDVR0TAQH/BAIwADATBgNVHREEDDAK
        gghvbGQudGVzdDAKBggqhkjOPQQDAgNJADBGAiEAn6sXEZhyARi+Tp3T5B7JqZqf
        dytYKF1afYhjT+CXodUCIQC4FPYAtOBZ/y1kK+vkJxUbMrDtA2fKd4UYH9qFYKDK
        jQ==
        -----END CERTIFICATE-----
        """,
        key: """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgzFWPvnMZsKPsgUJP
        qg3MAnBUkyXZP9BHmN/x9VLF95ChRANCAAQLrCvuNXppeYAUTkSUacPFGgI/JOgy
        SWXzPEzIeIgVgiSKMWtgprUanOFs6YS02uuQBwdnQYzzodIO6iglT9Pg
        -----END PRIVATE KEY-----
        """
    )

    /// new.test, from 2119.
    static let future = (
        cert: """
        -----BEGIN CERTIFICATE-----
        MIIBUDCB96ADAgECAhQnV0df0A1FJ/vq+jvYR+SvO55bszAKBggqhkjOPQQDAjAT
        MREwDwYDVQQDDAhuZXcudGVzdDAiGA8yMTE5MDEwMTAwMDAwMFoYDzIxMjAwMTAx
        MDAwMDAwWjATMREwDwYDVQQDDAhuZXcudGVzdDBZMBMGByqGSM49AgEGCCqGSM49
        AwEHA0IABB41/2QubBWBwqODrbqjqad46Pddgx11FYYPslDVJ++KBuGRH9UXo0wA
        goUgo/vxlIDbzWk1w+8SsqcctcOlEw6jJTAjMAwGA1UdEwEB/wQCMAAwEwYDVR0R
        BAwwCoIIbmV3LnRlc3QwCgYIKoZIzj0EAwIDSAAwRQIhALs/Wmetbq5ujibfRY2W
        UZ5DzGsYC5Hgtk8xhKR9XsaGAiA28ABLm3SqvYj799P07LYFb9s8lSIgvSb2Lui8
        x490iw==
        -----END CERTIFICATE-----
        """,
        key: """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgPw1kJW15ze68qj29
        AvjrCVnUbj92dhnBnEojAlENO+6hRANCAAQeNf9kLmwVgcKjg626o6mneOj3XYMd
        dRWGD7JQ1SfvigbhkR/VF6NMAIKFIKP78ZSA281pNcPvErKnHLXDpRMO
        -----END PRIVATE KEY-----
        """
    )

    /// The key of `good` under the passphrase "open sesame".
    static let encryptedKey = """
        -----BEGIN ENCRYPTED PRIVATE KEY-----
        MIH0MF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBDK+1ozfbl+fuqVBg7D
        A99HAgIIADAMBggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBKgQQRQ+3BZKjjFQjQKHE
        nbvwwQSBkPby/F6jFP810ok5UiUH+Ywy+ELKgVWCPaE38SwN3E7E7FXstmWZWUp/
        342vW2W3yHc6w0ANzzMeFZwfEMLhTfnoXq8FETADMIufZPcNAQ+udPfo3jwI+Mln
        fPPdgB7sM/hQs1FGjNyI2aB68FBrUzaYb5Qrz7wHXPZWBSvZId/iCncDoPar66JO
        0Wu2Z8Jejg==
        -----END ENCRYPTED PRIVATE KEY-----
        """
}
