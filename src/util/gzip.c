/* gzip, by zlib, which is opened on demand. */
#include "util/gzip.h"

#include "util/lazy.h"

#include <errno.h>
#include <zlib.h>

#define BLOCK 65536
#define GZIP_WINDOW (MAX_WBITS + 16) /* 16: a gzip header, not zlib's own */
#define PIECE_MOST ((size_t)UINT32_MAX)

#define FUNCTIONS(X)                                                                             \
    X(deflateInit2_) X(deflate) X(deflateEnd) X(inflateInit2_) X(inflate) X(inflateReset)        \
    X(inflateEnd)

LAZY_LIBRARY(open_library, FUNCTIONS, "libz.so.1", "zlib1g")

/* Hands the stream the next piece of what is left: avail_in has 32 bits. */
static void feed(z_stream *stream, size_t *left)
{
    if (stream->avail_in > 0)
        return;
    stream->avail_in = (uInt)(*left < PIECE_MOST ? *left : PIECE_MOST);
    *left -= stream->avail_in;
}

static int fail(int code, struct grid_error *err)
{
    if (code == Z_MEM_ERROR)
        return grid_error_set(err, GRID_ENOMEM, "no memory for zlib");
    return grid_error_set(err, GRID_EINTERNAL, "zlib failed with code %d", code);
}

int gzip_pack(const void *bytes, size_t length, struct buffer *out, struct grid_error *err)
{
    z_stream stream = {.next_in = (Bytef *)bytes};
    unsigned char block[BLOCK];
    int rc = open_library(err);
    if (rc < 0)
        return rc;
    /* The fast one: history is packed while others wait for the lock. */
    int code = lazy_deflateInit2_(&stream, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, MAX_MEM_LEVEL,
                                  Z_DEFAULT_STRATEGY, ZLIB_VERSION, sizeof(stream));
    while (code == Z_OK && !out->error) {
        feed(&stream, &length);
        stream.next_out = block;
        stream.avail_out = sizeof(block);
        code = lazy_deflate(&stream, length > 0 ? Z_NO_FLUSH : Z_FINISH);
        buffer_add(out, block, sizeof(block) - stream.avail_out);
    }
    (void)lazy_deflateEnd(&stream); /* of one that is none, too */
    if (code != Z_STREAM_END && !out->error)
        return fail(code, err);
    return out->error == ENOMEM ? fail(Z_MEM_ERROR, err) : 0;
}

static const char *reason(int code, const z_stream *stream)
{
    if (code == Z_BUF_ERROR)
        return "it is cut off";
    return stream->msg ? stream->msg : "it is not a gzip file";
}

/* Unpacks one piece. ECORRUPT as gzip_unpack. */
static int unpack_piece(z_stream *stream, size_t *left, size_t most, struct buffer *out,
                        struct grid_error *err)
{
    unsigned char block[BLOCK];
    int code = Z_OK;
    while (code == Z_OK && !out->error) {
        feed(stream, left);
        stream->next_out = block;
        stream->avail_out = sizeof(block);
        code = lazy_inflate(stream, Z_NO_FLUSH);
        size_t got = sizeof(block) - stream->avail_out;
        if (got > most)
            return grid_error_set(err, GRID_ECORRUPT, "it holds more than it should");
        most -= got;
        buffer_add(out, block, got);
    }
    if (out->error)
        return fail(Z_MEM_ERROR, err);
    if (code == Z_BUF_ERROR || code == Z_DATA_ERROR || code == Z_NEED_DICT)
        return grid_error_set(err, GRID_ECORRUPT, "%s", reason(code, stream));
    return code == Z_STREAM_END ? 0 : fail(code, err);
}

/* Unpacks piece by piece, up to the first that is not sound; *ret_sound bytes were. */
static int unpack(const Bytef *bytes, size_t left, size_t most, struct buffer *out,
                  size_t *ret_sound, struct grid_error *err)
{
    z_stream stream = {.next_in = (Bytef *)bytes};
    size_t begin = out->length, sound = begin;
    int code = lazy_inflateInit2_(&stream, GZIP_WINDOW, ZLIB_VERSION, sizeof(stream));
    int rc = code == Z_OK ? 0 : fail(code, err);
    *ret_sound = 0;
    do {
        rc = rc ?: unpack_piece(&stream, &left, most - (sound - begin), out, err);
        if (rc == 0) {
            sound = out->length;
            *ret_sound = (size_t)(stream.next_in - bytes);
            (void)lazy_inflateReset(&stream);
        }
    } while (rc == 0 && (stream.avail_in > 0 || left > 0));
    out->length = sound;
    (void)lazy_inflateEnd(&stream);
    return rc;
}

int gzip_unpack(const void *bytes, size_t length, size_t most, struct buffer *out,
                struct grid_error *err)
{
    size_t sound;
    int rc = open_library(err);
    return rc ?: unpack(bytes, length, most, out, &sound, err);
}

int gzip_salvage(const void *bytes, size_t length, size_t most, struct buffer *out,
                 struct grid_error *err)
{
    static const unsigned char begins[] = {0x1f, 0x8b, Z_DEFLATED};
    const unsigned char *at = bytes, *end = at + length;
    size_t first = out->length, sound;
    int rc = open_library(err);
    while (rc == 0 && at && at < end) {
        rc = unpack(at, (size_t)(end - at), most - (out->length - first), out, &sound, err);
        if (rc != GRID_ECORRUPT)
            break;
        rc = 0;
        at += sound > 0 ? sound : 1;
        at = memmem(at, (size_t)(end - at), begins, sizeof(begins));
    }
    return rc;
}
