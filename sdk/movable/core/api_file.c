/* SPDX-License-Identifier: MIT */
#include "api.h"

#include "filemap.h"
#include "pybridge.h"

static struct file *file_of(struct vm *vm, unsigned int id)
{
	return vm->files[id];
}

/* For a call in which other CPUs may give the handle up; to be given back with file_put(). */
static struct file *get_file(struct vm *vm, unsigned int id)
{
	struct file *file = file_of(vm, id);

	file->refs++;
	return file;
}

long mv_file_create(struct vm *vm, const struct mv_file *settings)
{
	const struct file_settings s = {
		.owner = settings->owner,
		.shmem = settings->shmem,
		.buffers = settings->buffers,
		.has_writepage = settings->has_writepage,
		.slow_device = settings->slow_device,
		.migrate_method = (enum migrate_method)settings->migrate_method,
		.writepage_error = settings->writepage_error,
		.size = settings->size,
	};
	const struct file *file;

	API_BEGIN(vm, false);
	file = file_create(vm, &s);
	API_END(vm, file ? (long)file->id : -ENOMEM);
}

/* Gives the handle up; the file lives on while areas map it. */
long mv_file_close(struct vm *vm, unsigned int file)
{
	API_BEGIN(vm, true);
	file_put(vm, file_of(vm, file));
	API_END(vm, 0);
}

/* How pages are written from now on. */
void mv_file_configure(struct vm *vm, unsigned int id, const struct mv_file *settings)
{
	struct file *file = file_of(vm, id);

	file->has_writepage = settings->has_writepage;
	file->writepage_error = settings->writepage_error;
	file->slow_device = settings->slow_device;
}

long mv_file_read(struct vm *vm, unsigned int id, unsigned long offset, void *buffer, unsigned long length)
{
	struct file *file;
	long answer;

	API_BEGIN(vm, true);
	file = get_file(vm, id);
	answer = file_read(vm, file, offset, buffer, length);
	file_put(vm, file);
	API_END(vm, answer);
}

long mv_file_write(struct vm *vm, unsigned int id, unsigned long offset, const void *buffer, unsigned long length)
{
	struct file *file;
	long answer;

	API_BEGIN(vm, true);
	file = get_file(vm, id);
	answer = file_write(vm, file, offset, buffer, length);
	file_put(vm, file);
	API_END(vm, answer);
}

void mv_file_stored(struct vm *vm, unsigned int file, unsigned long offset, void *buffer, unsigned long length)
{
	file_stored(file_of(vm, file), offset, buffer, length);
}

unsigned long mv_file_size(struct vm *vm, unsigned int file)
{
	return file_of(vm, file)->size;
}

/* The cached pages; writes the first `room` and returns how many there are. */
long mv_file_pages(struct vm *vm, unsigned int file, unsigned long *indices, unsigned long *pfns, unsigned long room)
{
	unsigned long index = 0, count = 0;
	const uint64_t *slot;

	if (!vm_begin_access(vm))
		return BROKEN;
	for (; (slot = radix_next(&file_of(vm, file)->pages, &index, ~0UL)); index++) {
		if (count < room) {
			indices[count] = index;
			pfns[count] = page_to_pfn(vm, (const struct page *)(uintptr_t)*slot);
		}
		count++;
	}
	vm_end_access(vm);
	return (long)count;
}

long mv_file_sync(struct vm *vm, unsigned int id)
{
	struct file *file;
	long answer;

	API_BEGIN(vm, true);
	file = get_file(vm, id);
	answer = file_sync(vm, file);
	file_put(vm, file);
	API_END(vm, answer);
}

/* 0; -ENOENT if the page is not cached; -EBUSY if it is under writeback already. */
static long start_writeback(struct vm *vm, struct file *file, unsigned long index)
{
	struct page *page = (struct page *)(uintptr_t)radix_get(&file->pages, index);

	if (!page)
		return -ENOENT;
	if (page_flag(page, PG_writeback))
		return -EBUSY;
	set_page_writeback(vm, page);
	return 0;
}

/* As if the device were just writing the page. */
long mv_file_start_writeback(struct vm *vm, unsigned int file, unsigned long index)
{
	API_BEGIN(vm, false);
	API_END(vm, start_writeback(vm, file_of(vm, file), index));
}

long mv_file_end_writeback(struct vm *vm, unsigned int file)
{
	API_BEGIN(vm, false);
	API_END(vm, file_end_writeback(vm, file_of(vm, file)));
}

long mv_file_truncate(struct vm *vm, unsigned int id, unsigned long size)
{
	struct file *file;

	API_BEGIN(vm, true);
	file = get_file(vm, id);
	file_truncate(vm, file, size);
	file_put(vm, file);
	API_END(vm, 0);
}

long mv_file_invalidate(struct vm *vm, unsigned int id)
{
	struct file *file;
	long answer;

	API_BEGIN(vm, true);
	file = get_file(vm, id);
	answer = file_invalidate(vm, file);
	file_put(vm, file);
	API_END(vm, answer);
}

static long lock_buffer(struct file *file, unsigned long index, bool lock)
{
	struct page *page = (struct page *)(uintptr_t)radix_get(&file->pages, index);

	if (!page || !page_flag(page, PG_private))
		return -ENOENT;
	((struct buffer_head *)page->private)->locked = lock;
	return 0;
}

/* -ENOENT if the page is not cached or has no buffer. */
long mv_file_lock_buffer(struct vm *vm, unsigned int file, unsigned long index, bool lock)
{
	API_BEGIN(vm, false);
	API_END(vm, lock_buffer(file_of(vm, file), index, lock));
}
