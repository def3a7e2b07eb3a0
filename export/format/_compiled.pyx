"""Records and lists from their bytes: what `export.format.records` and `export.stores.coded` do, compiled.

The bytes are described in `export.format.records`. Built where the machine that installs Larder has a C compiler.
"""

import sys

from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE, PyList_New, PyList_SET_ITEM
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

if sys.byteorder != "little":
    raise ImportError("the compiled reader is for little-endian machines")

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define larder_prefetch(p) __builtin_prefetch(p)
    #else
    #define larder_prefetch(p)
    #endif
    #define larder_slot(list, i) (&((PyListObject *)(list))->ob_item[i])
    """
    void larder_prefetch(const void *place) nogil
    PyObject **larder_slot(object list, Py_ssize_t i) nogil

cdef enum:
    RECORD_HEAD_BYTES = 5
    HEAD_BYTES = 13
    CRC_BYTES = 4
    STEPS = 255


cdef inline Py_ssize_t _row_bytes(Py_ssize_t n, int bits) noexcept nogil:
    return (n * bits + 7) // 8


cdef inline int _high_bits(int item_bits) noexcept nogil:
    if item_bits <= 16:
        return 0
    return 4 if item_bits <= 20 else 8 if item_bits <= 24 else 16


cdef inline int _code_bits(Py_ssize_t n_codes) noexcept nogil:
    if n_codes <= 1 << 4:
        return 4
    if n_codes <= 1 << 8:
        return 8
    return 16 if n_codes <= 1 << 16 else 32


cdef inline uint32_t _value(const uint8_t *row, Py_ssize_t i, int bits) noexcept nogil:
    cdef uint16_t half = 0
    cdef uint32_t whole = 0
    if bits == 8:
        return row[i]
    if bits == 4:
        return row[i >> 1] >> 4 if i & 1 == 0 else row[i >> 1] & 15
    if bits == 16:
        memcpy(&half, row + 2 * i, 2)
        return half
    if bits == 32:
        memcpy(&whole, row + 4 * i, 4)
    return whole


cdef inline void _put(list column, Py_ssize_t i, object value) noexcept:
    Py_INCREF(value)
    PyList_SET_ITEM(column, i, value)


cdef inline Py_ssize_t _list_bytes(Py_ssize_t n, Py_ssize_t n_pairs, int high_bits, int source_bits) noexcept nogil:
    cdef Py_ssize_t high = _row_bytes(n, high_bits), anchor = (high_bits + 7) // 8 * n_pairs
    return HEAD_BYTES + 3 * n + high + _row_bytes(n, _code_bits((1 << source_bits) + n_pairs)) + 3 * n_pairs + anchor


def split(bytes data, int item_bits, int source_bits):
    """User id, segment and where each placement's list begins of the record in `data`, whose checksum was right.

    None where its lengths are wrong.
    """
    cdef const uint8_t *start = data
    cdef Py_ssize_t end = len(data) - CRC_BYTES, at, id_end
    cdef uint16_t id_bytes = 0, segment = 0, n = 0, n_pairs = 0
    cdef int high_bits = _high_bits(item_bits)
    cdef dict lists = {}
    if end < RECORD_HEAD_BYTES:
        return None
    memcpy(&id_bytes, start, 2)
    memcpy(&segment, start + 2, 2)
    at = id_end = RECORD_HEAD_BYTES + id_bytes
    for _ in range(start[4]):
        if at + HEAD_BYTES > end:
            return None
        memcpy(&n, start + at + 1, 2)
        memcpy(&n_pairs, start + at + 3, 2)
        lists[start[at]] = at
        at += _list_bytes(n, n_pairs, high_bits, source_bits)
    return (data[RECORD_HEAD_BYTES:id_end], segment, lists) if at == end else None


def shown(
    bytes data, Py_ssize_t at, Py_ssize_t k, int item_bits, int source_bits, bytearray is_loaded, list ids,
    list titles, list categories, list names, list plain, list around, list of_category,
):
    """The best `k` of the list that begins at `at`: item ids, titles, scores, source names, reasons, item indices.

    None where an item or an anchor is not loaded, or a number lies beyond its table: that is for the slow path to do.
    """
    cdef Py_ssize_t n_items = len(is_loaded), n_sources = PyList_GET_SIZE(names), end = len(data) - CRC_BYTES
    cdef const uint8_t *start = <const uint8_t *>data + at
    cdef const uint8_t *loaded = <const uint8_t *><char *>is_loaded
    cdef uint16_t n = 0, n_pairs = 0
    cdef float low = 0, high = 0
    if at < 0 or at + HEAD_BYTES > end or k < 1:
        return None
    memcpy(&n, start + 1, 2)
    memcpy(&n_pairs, start + 3, 2)
    memcpy(&low, start + 5, 4)
    memcpy(&high, start + 9, 4)
    cdef Py_ssize_t first_pair = 1 << source_bits, m = min(<Py_ssize_t>n, k), i
    cdef int code_bits = _code_bits(first_pair + n_pairs), high_bits = _high_bits(item_bits)
    cdef int anchor_bits = (high_bits + 7) // 8 * 8
    cdef const uint8_t *lows = start + HEAD_BYTES
    cdef const uint8_t *highs = lows + 2 * n
    cdef const uint8_t *levels = highs + _row_bytes(n, high_bits)
    cdef const uint8_t *codes = levels + n
    cdef const uint8_t *anchor_lows = codes + _row_bytes(n, code_bits)
    cdef const uint8_t *anchor_highs = anchor_lows + 2 * n_pairs
    cdef const uint8_t *pair_sources = anchor_highs + _row_bytes(n_pairs, anchor_bits)
    if m == 0 or pair_sources + n_pairs > <const uint8_t *>data + end:
        return None
    cdef uint32_t *indices = <uint32_t *>PyMem_Malloc((m + n_pairs) * sizeof(uint32_t))
    if indices == NULL:
        raise MemoryError
    cdef uint32_t *anchors = indices + m
    try:
        # What is needed of the tables is asked for before it is used: the waits for memory overlap.
        for i in range(m):
            indices[i] = _value(lows, i, 16) | _value(highs, i, high_bits) << 16
            if indices[i] >= n_items or not loaded[indices[i]]:
                return None
            larder_prefetch(larder_slot(ids, indices[i]))
            larder_prefetch(larder_slot(titles, indices[i]))
        for i in range(n_pairs):
            anchors[i] = _value(anchor_lows, i, 16) | _value(anchor_highs, i, anchor_bits) << 16
            if anchors[i] >= n_items or not loaded[anchors[i]] or pair_sources[i] >= n_sources:
                return None
            larder_prefetch(larder_slot(titles, anchors[i]))
        for i in range(m):
            larder_prefetch(larder_slot(ids, indices[i])[0])
            larder_prefetch(larder_slot(titles, indices[i])[0])
        return _columns(
            m, n_pairs, first_pair, code_bits, low, (<double>high - low) / STEPS, indices, anchors, levels, codes,
            pair_sources, ids, titles, categories, names, plain, around, of_category,
        )
    finally:
        PyMem_Free(indices)


cdef tuple _columns(
    Py_ssize_t m, Py_ssize_t n_pairs, Py_ssize_t first_pair, int code_bits, double low, double step,
    const uint32_t *indices, const uint32_t *anchors, const uint8_t *levels, const uint8_t *codes,
    const uint8_t *pair_sources, list ids, list titles, list categories, list names, list plain, list around,
    list of_category,
):
    cdef Py_ssize_t i, source, n_sources = PyList_GET_SIZE(names)
    cdef uint32_t code
    cdef list texts = [_text(titles, anchors[i], plain, around, pair_sources[i]) for i in range(n_pairs)]
    cdef list own_ids = PyList_New(m), own_titles = PyList_New(m), scores = PyList_New(m)
    cdef list own_names = PyList_New(m), reasons = PyList_New(m), numbers = PyList_New(m)
    cdef object text
    for i in range(m):
        code = _value(codes, i, code_bits)
        if code >= first_pair + n_pairs or (code < first_pair and code >= n_sources):
            return None
        source = code if code < first_pair else pair_sources[code - first_pair]
        text = None if code < first_pair else texts[code - first_pair]
        if of_category[source] is not None:
            text = of_category[source][categories[indices[i]]]
        elif text is None:
            text = plain[source]
        _put(own_ids, i, <object>PyList_GET_ITEM(ids, indices[i]))
        _put(own_titles, i, <object>PyList_GET_ITEM(titles, indices[i]))
        _put(scores, i, low + levels[i] * step)
        _put(own_names, i, names[source])
        _put(reasons, i, text)
        _put(numbers, i, indices[i])
    return own_ids, own_titles, scores, own_names, reasons, numbers


cdef str _text(list titles, uint32_t anchor, list plain, list around, uint8_t source):
    """The reason of a pair."""
    cdef object title = titles[anchor]
    cdef tuple words = around[source]
    if words is None or not title:
        return plain[source]
    cdef str before = words[0], own = title, after = words[1]
    return f"{before}{own}{after}" if after else before + own
