/* The flatbuffer of a TensorFlow Lite file, read in place: every offset is checked before it is followed. */
#include "network.h"

static uint32_t word(const ecg_file *file, uint32_t at, uint32_t width) {
    uint32_t value = 0;
    for (uint32_t i = 0; i < width; i++) value |= (uint32_t)file->at[at + i] << 8 * i;
    return value;
}

/* Are `bytes` at `at` within the file, at a multiple of `width`? */
static int holds(ecg_file *file, uint64_t at, uint64_t bytes, uint32_t width) {
    if (at % width == 0 && at + bytes <= file->bytes) return 1;
    file->damaged = 1;
    return 0;
}

static ecg_file_table table_at(ecg_file *file, uint64_t at) {
    const ecg_file_table none = {0, 0, 0, 0};
    if (!holds(file, at, 4, 4)) return none;
    const int64_t vtable = (int64_t)at - (int32_t)word(file, (uint32_t)at, 4);
    if (vtable < 0 || !holds(file, (uint64_t)vtable, 4, 2)) {
        file->damaged = 1;
        return none;
    }
    const uint32_t length = word(file, (uint32_t)vtable, 2), size = word(file, (uint32_t)vtable + 2, 2);
    if (length < 4 || size < 4 || !holds(file, (uint64_t)vtable, length, 2) || !holds(file, at, size, 4)) {
        file->damaged = 1;
        return none;
    }
    const ecg_file_table table = {(uint32_t)at, (uint32_t)vtable, length / 2 - 2, size};
    return table;
}

/* Where a field of `width` bytes is; 0 where it is left out. */
static uint32_t field_at(ecg_file *file, const ecg_file_table *table, uint32_t slot, uint32_t width) {
    if (!table->at || slot >= table->slots) return 0;
    const uint32_t offset = word(file, table->vtable + 4 + 2 * slot, 2);
    if (!offset) return 0;
    if (offset < 4 || offset + width > table->size) {
        file->damaged = 1;
        return 0;
    }
    return holds(file, (uint64_t)table->at + offset, width, width > 4 ? 4 : width) ? table->at + offset : 0;
}

ecg_file_table ecg_file_root(ecg_file *file) {
    const ecg_file_table none = {0, 0, 0, 0};
    if (!holds(file, 0, 8, 4) || memcmp(file->at + 4, "TFL3", 4) != 0) {
        file->damaged = 1;
        return none;
    }
    return table_at(file, word(file, 0, 4));
}

ecg_file_table ecg_file_table_in(ecg_file *file, const ecg_file_table *table, uint32_t slot) {
    const ecg_file_table none = {0, 0, 0, 0};
    const uint32_t at = field_at(file, table, slot, 4);
    return at ? table_at(file, (uint64_t)at + word(file, at, 4)) : none;
}

ecg_file_table ecg_file_table_of(ecg_file *file, ecg_file_vector tables, uint32_t index) {
    const ecg_file_table none = {0, 0, 0, 0};
    if (index >= tables.count) {
        file->damaged = 1;
        return none;
    }
    const uint32_t at = tables.at + 4 * index;
    return table_at(file, (uint64_t)at + word(file, at, 4));
}

ecg_file_vector ecg_file_vector_in(ecg_file *file, const ecg_file_table *table, uint32_t slot, uint32_t width) {
    ecg_file_vector vector = {0, 0};
    const uint32_t at = field_at(file, table, slot, 4);
    if (!at) return vector;
    const uint64_t start = (uint64_t)at + word(file, at, 4);
    if (!holds(file, start, 4, 4)) return vector;
    const uint32_t count = word(file, (uint32_t)start, 4);
    if (!holds(file, start + 4, (uint64_t)count * width, width > 4 ? 4 : width)) return vector;
    vector.at = (uint32_t)start + 4;
    vector.count = count;
    return vector;
}

int64_t ecg_file_scalar(ecg_file *file, const ecg_file_table *table, uint32_t slot, uint32_t width, int64_t absent) {
    const uint32_t at = field_at(file, table, slot, width);
    if (!at) return absent;
    if (width == 1) return (int8_t)file->at[at];
    const uint32_t low = word(file, at, 4);
    if (width == 4) return (int32_t)low;
    return (int64_t)((uint64_t)word(file, at + 4, 4) << 32 | low);
}

int32_t ecg_file_int32(const ecg_file *file, ecg_file_vector vector, uint32_t index) {
    return (int32_t)word(file, vector.at + 4 * index, 4);
}

int64_t ecg_file_int64(const ecg_file *file, ecg_file_vector vector, uint32_t index) {
    const uint32_t at = vector.at + 8 * index;
    return (int64_t)((uint64_t)word(file, at + 4, 4) << 32 | word(file, at, 4));
}

float ecg_file_float(const ecg_file *file, ecg_file_vector vector, uint32_t index) {
    const uint32_t bits = word(file, vector.at + 4 * index, 4);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
