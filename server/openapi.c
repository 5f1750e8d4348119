#include "openapi.h"

__asm__(".pushsection .rodata\n"
        ".global openapi_json, openapi_json_len\n"
        "openapi_json: .incbin \"server/openapi.json\"\n"
        "0: .byte 0\n"
        ".balign 8\n"
        "openapi_json_len: .quad 0b - openapi_json\n"
        ".popsection");
