/* SPDX-License-Identifier: MIT */
#include "filemap.h"

#include <stdlib.h>

#include "lru.h"
#include "mpol_alloc.h"
#include "swap.h"
#include "unmap.h"

/* A file's pages are moved by method (migrate_page.c); these answer nobody. */
const struct address_space_operations file_aops = {NULL, NULL, NULL};

static unsigned int free_id(const struct vm *vm)
{
	unsigned int id = 1;

	while (id < vm->nr_files && vm->files[id])
		id++;
	return id;
}

static bool add_to_table(struct vm *vm, struct file *file)
{
	unsigned int id = free_id(vm);

	if (id >= vm->nr_files) {
		struct file **files = realloc(vm->files, (id + 1) * sizeof(*files));

		if (!files)
			return false;
		files[0] = NULL;
		vm->files = files;
		vm->nr_files = id + 1;
	}
	vm->files[id] = file;
	file->id = id;
	return true;
}

struct file *file_create(struct vm *vm, const struct file_settings *settings)
{
	struct file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->as.a_ops = &file_aops;
	file->as.owner = settings->owner;
	file->vm = vm;
	file->refs = 1;
	file->shmem = settings->shmem;
	file->buffers = settings->buffers;
	file->migrate_method = settings->migrate_method;
	file->has_writepage = settings->has_writepage;
	file->writepage_error = settings->writepage_error;
	file->slow_device = settings->slow_device;
	file->size = settings->size;
	vm_lock_init(vm, &file->i_rwsem, I_RWSEM);
	vm_lock_init(vm, &file->tree_lock, TREE_LOCK);
	vm_lock_init(vm, &file->i_mmap_lock, I_MMAP_LOCK);
	list_init(&file->i_mmap);
	if (!add_to_table(vm, file)) {
		free(file);
		return NULL;
	}
	return file;
}

struct file *shmem_file_create(struct vm *vm, unsigned long size)
{
	const struct file_settings settings = {
		.shmem = true,
		.has_writepage = true,
		.migrate_method = MIGRATE_BY_COPY,
		.size = size,
	};

	return file_create(vm, &settings);
}

static void free_file(struct file *file)
{
	unsigned long index = 0;
	uint64_t *block;

	while ((block = radix_next(&file->store, &index, ~0UL)))
		free((void *)(uintptr_t)radix_get(&file->store, index++));
	radix_destroy(&file->store);
	radix_destroy(&file->pages);
	shared_policy_destroy(&file->policy);
	free(file);
}

static void truncate_file(struct vm *vm, struct file *file, unsigned long size);

void file_put(struct vm *vm, struct file *file)
{
	if (--file->refs)
		return;
	truncate_file(vm, file, 0);
	vm->files[file->id] = NULL;
	free_file(file);
}

void files_destroy_all(struct vm *vm)
{
	for (unsigned int id = 1; id < vm->nr_files; id++) {
		if (!vm->files[id])
			continue;
		free_file(vm->files[id]);
	}
	free(vm->files);
}

/* The store */

static unsigned char *stored_block(struct file *file, unsigned long index)
{
	return (unsigned char *)(uintptr_t)radix_get(&file->store, index);
}

static void read_store(struct vm *vm, struct file *file, struct page *page, unsigned long index)
{
	const unsigned char *block = stored_block(file, index);

	if (block)
		memcpy(page_address(vm, page), block, PAGE_SIZE);
	else
		memset(page_address(vm, page), 0, PAGE_SIZE);
}

static int write_store(struct vm *vm, struct file *file, const struct page *page)
{
	uint64_t *slot = radix_create(&file->store, page->index);
	void *block;

	if (!slot)
		return -ENOMEM;
	block = *slot ? (void *)(uintptr_t)*slot : malloc(PAGE_SIZE);
	if (!block)
		return -ENOMEM;
	*slot = (uint64_t)(uintptr_t)block;
	memcpy(block, page_address(vm, page), PAGE_SIZE);
	return 0;
}

void file_stored(struct file *file, unsigned long offset, void *buffer, unsigned long length)
{
	unsigned char *to = buffer;

	while (length) {
		unsigned long within = offset & (PAGE_SIZE - 1), n = PAGE_SIZE - within;
		const unsigned char *block = stored_block(file, offset >> PAGE_SHIFT);

		n = n < length ? n : length;
		if (block)
			memcpy(to, block + within, n);
		else
			memset(to, 0, n);
		offset += n;
		to += n;
		length -= n;
	}
}

/* The cache */

void mod_file_pages(struct vm *vm, const struct page *page, long delta)
{
	long *stat = page_zone(vm, page)->node->stat;

	stat[NR_FILE_PAGES] += delta;
	if (!page_is_file_cache(page) && !page_flag(page, PG_swapcache))
		stat[NR_SHMEM] += delta;
}

struct page *find_get_page(struct vm *vm, struct file *file, unsigned long index)
{
	for (;;) {
		struct page *page;

		sched_point(vm, EV_GET_PAGE, index);
		page = (struct page *)(uintptr_t)radix_get(&file->pages, index);
		if (!page)
			return NULL;
		if (page->_refcount) {
			page->_refcount++;
			return page;
		}
		/* Frozen: it is just being replaced. */
		sched_yield_step(vm, EV_YIELD, page_to_pfn(vm, page));
	}
}

static int insert(struct vm *vm, struct file *file, struct page *page, unsigned long index)
{
	uint64_t *slot;
	int err = 0;

	down_write(vm, &file->tree_lock);
	slot = radix_create(&file->pages, index);
	if (!slot) {
		err = -ENOMEM;
	} else if (*slot) {
		err = -EEXIST;
	} else {
		*slot = (uint64_t)(uintptr_t)page;
		page->mapping = &file->as;
		page->index = index;
		page->_refcount++;
		file->nr_pages++;
		mod_file_pages(vm, page, 1);
	}
	up_write(vm, &file->tree_lock);
	return err;
}

static void attach_buffers(struct page *page)
{
	struct buffer_head *buffer = calloc(1, sizeof(*buffer));

	if (!buffer)
		return;
	buffer->page = page;
	page->private = (unsigned long)buffer;
	set_page_flag(page, PG_private);
	page->_refcount++;
}

bool try_to_free_buffers(struct vm *vm, struct page *page)
{
	struct buffer_head *buffer = (struct buffer_head *)page->private;

	if (!page_flag(page, PG_private))
		return true;
	if (buffer->locked || buffer->count || page_flag(page, PG_writeback))
		return false;
	free(buffer);
	page->private = 0;
	clear_page_flag(page, PG_private);
	put_page(vm, page);
	return true;
}

/* A page that is not cached yet: read from the store, locked, with a reference. -EEXIST: somebody was faster. */
static int read_page(struct vm *vm, struct file *file, unsigned long index, struct mm *mm, struct page **result)
{
	struct page *page = alloc_page_cache(vm, GFP_HIGHUSER_MOVABLE, file, index, mm);
	int err;

	if (!page)
		return -ENOMEM;
	if (file->shmem)
		set_page_flag(page, PG_swapbacked);
	trylock_page(vm, page);
	err = insert(vm, file, page, index);
	if (err) {
		unlock_page(vm, page);
		put_page(vm, page);
		return err;
	}
	lru_cache_add(vm, page);
	read_store(vm, file, page, index);
	set_page_flag(page, PG_uptodate);
	if (stored_block(file, index))
		count_vm_events(vm, PGMAJFAULT, 1);
	/* Without memory for buffers it is a page that has none. */
	if (file->buffers)
		attach_buffers(page);
	*result = page;
	return 0;
}

static bool beyond_end(const struct file *file, unsigned long index)
{
	return index >= (file->size + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

int filemap_get_page(struct vm *vm, struct file *file, unsigned long index, struct mm *policy_of,
		     struct page **result)
{
	for (;;) {
		struct page *page;
		int err;

		if (beyond_end(file, index))
			return -EFBIG;
		page = find_get_page(vm, file, index);
		if (!page) {
			err = read_page(vm, file, index, policy_of, &page);
			if (err == -EEXIST)
				continue;
			if (err)
				return err;
		} else {
			lock_page(vm, page);
		}
		/* Cut off while its lock was waited for, or read in although the file had just been cut. */
		if (page->mapping == &file->as && !beyond_end(file, index)) {
			*result = page;
			return 0;
		}
		unlock_page(vm, page);
		put_page(vm, page);
	}
}

void __delete_from_page_cache(struct vm *vm, struct file *file, struct page *page)
{
	uint64_t *slot = radix_slot(&file->pages, page->index);

	if (test_clear_page_flag(page, PG_dirty) && !file->shmem)
		page_zone(vm, page)->node->stat[NR_FILE_DIRTY]--;
	mod_file_pages(vm, page, -1);
	*slot = 0;
	page->mapping = NULL;
	file->nr_pages--;
}

/* Reading and writing */

static unsigned long within_page(unsigned long offset, unsigned long length)
{
	unsigned long rest = PAGE_SIZE - (offset & (PAGE_SIZE - 1));

	return rest < length ? rest : length;
}

long file_read(struct vm *vm, struct file *file, unsigned long offset, void *buffer, unsigned long length)
{
	unsigned long done = 0;

	if (offset >= file->size)
		return 0;
	length = length < file->size - offset ? length : file->size - offset;
	while (done < length) {
		unsigned long at = offset + done, n = within_page(at, length - done);
		struct page *page;
		int err = filemap_get_page(vm, file, at >> PAGE_SHIFT, NULL, &page);

		if (err)
			return done ? (long)done : err == -EFBIG ? 0 : err;
		memcpy((unsigned char *)buffer + done, page_address(vm, page) + (at & (PAGE_SIZE - 1)), n);
		mark_page_accessed(vm, page);
		unlock_page(vm, page);
		put_page(vm, page);
		done += n;
	}
	return (long)done;
}

/* i_rwsem held. */
static long write_pages(struct vm *vm, struct file *file, unsigned long offset, const void *buffer,
			unsigned long length)
{
	unsigned long done = 0;

	if (offset + length > file->size)
		file->size = offset + length;
	while (done < length) {
		unsigned long at = offset + done, n = within_page(at, length - done);
		struct page *page;
		int err = filemap_get_page(vm, file, at >> PAGE_SHIFT, NULL, &page);

		if (err)
			return done ? (long)done : err;
		memcpy(page_address(vm, page) + (at & (PAGE_SIZE - 1)), (const unsigned char *)buffer + done, n);
		set_page_dirty(vm, page);
		mark_page_accessed(vm, page);
		unlock_page(vm, page);
		put_page(vm, page);
		done += n;
	}
	return (long)done;
}

long file_write(struct vm *vm, struct file *file, unsigned long offset, const void *buffer, unsigned long length)
{
	long answer;

	down_write(vm, &file->i_rwsem);
	answer = write_pages(vm, file, offset, buffer, length);
	up_write(vm, &file->i_rwsem);
	return answer;
}

/* Dirty pages and writeback */

static bool accounts_dirty(const struct page *page)
{
	const struct file *file = PageAnon(page) ? NULL : page_file(page);

	return file && !file->shmem;
}

void set_page_dirty(struct vm *vm, struct page *page)
{
	if (page_flag(page, PG_dirty))
		return;
	set_page_flag(page, PG_dirty);
	if (accounts_dirty(page))
		page_zone(vm, page)->node->stat[NR_FILE_DIRTY]++;
}

bool clear_page_dirty_for_io(struct vm *vm, struct page *page)
{
	if (accounts_dirty(page) && page_mkclean(vm, page))
		set_page_dirty(vm, page);
	if (!test_clear_page_flag(page, PG_dirty))
		return false;
	if (accounts_dirty(page))
		page_zone(vm, page)->node->stat[NR_FILE_DIRTY]--;
	return true;
}

void set_page_writeback(struct vm *vm, struct page *page)
{
	set_page_flag(page, PG_writeback);
	page_zone(vm, page)->node->stat[NR_WRITEBACK]++;
}

void end_page_writeback(struct vm *vm, struct page *page)
{
	if (test_clear_page_flag(page, PG_writeback))
		page_zone(vm, page)->node->stat[NR_WRITEBACK]--;
}

void wait_on_page_writeback(struct vm *vm, struct page *page)
{
	if (!page_flag(page, PG_writeback))
		return;
	if (vm->sched)
		sched_yield_step(vm, EV_YIELD, page_to_pfn(vm, page));
	end_page_writeback(vm, page);
}

int file_writepage(struct vm *vm, struct page *page)
{
	struct file *file = page_file(page);
	int err = file->writepage_error;

	if (!err)
		err = write_store(vm, file, page);
	if (err) {
		set_page_flag(page, PG_error);
		unlock_page(vm, page);
		return err;
	}
	set_page_writeback(vm, page);
	unlock_page(vm, page);
	if (!file->slow_device)
		end_page_writeback(vm, page);
	return 0;
}

int file_sync(struct vm *vm, struct file *file)
{
	unsigned long index = 0;
	int first = 0;

	for (; radix_next(&file->pages, &index, ~0UL) && !vm->interrupt; index++) {
		struct page *page = find_get_page(vm, file, index);
		int err = 0;

		if (!page)
			continue;
		lock_page(vm, page);
		if (page->mapping == &file->as) {
			wait_on_page_writeback(vm, page);
			if (clear_page_dirty_for_io(vm, page))
				err = file_writepage(vm, page);
			else
				unlock_page(vm, page);
		} else {
			unlock_page(vm, page);
		}
		put_page(vm, page);
		first = first ? first : err;
	}
	return first;
}

long file_end_writeback(struct vm *vm, struct file *file)
{
	unsigned long index = 0;
	long ended = 0;

	for (; radix_next(&file->pages, &index, ~0UL); index++) {
		struct page *page = (struct page *)(uintptr_t)radix_get(&file->pages, index);

		ended += page_flag(page, PG_writeback);
		end_page_writeback(vm, page);
	}
	return ended;
}

/* Page locked. Takes it out of the cache. */
static void truncate_page(struct vm *vm, struct file *file, struct page *page)
{
	wait_on_page_writeback(vm, page);
	/* Buffers that are in use stay, and with them an orphaned page. */
	try_to_free_buffers(vm, page);
	down_write(vm, &file->tree_lock);
	__delete_from_page_cache(vm, file, page);
	up_write(vm, &file->tree_lock);
	put_page(vm, page);
}

/* What lies behind the end in the last page reads as zeros when the file grows again: in the cache and in the store. */
static void clear_tail(struct vm *vm, struct file *file, unsigned long size)
{
	unsigned long index = size >> PAGE_SHIFT, at = size & (PAGE_SIZE - 1);
	unsigned char *block = stored_block(file, index);
	struct page *page = find_get_page(vm, file, index);

	if (block)
		memset(block + at, 0, PAGE_SIZE - at);
	if (!page)
		return;
	/* Locked: it is not being copied elsewhere. */
	lock_page(vm, page);
	if (page->mapping == &file->as)
		memset((unsigned char *)page_address(vm, page) + at, 0, PAGE_SIZE - at);
	unlock_page(vm, page);
	put_page(vm, page);
}

/* i_rwsem held, or nobody else left who could write. */
static void truncate_file(struct vm *vm, struct file *file, unsigned long size)
{
	unsigned long first = (size + PAGE_SIZE - 1) >> PAGE_SHIFT, index = first;
	uint64_t *block;

	file->size = size;
	unmap_mapping_range(vm, file, first);
	while (radix_next(&file->pages, &index, ~0UL)) {
		struct page *page = find_get_page(vm, file, index);

		if (!page)
			continue;
		lock_page(vm, page);
		if (page->mapping == &file->as) {
			/* Somebody may have faulted it in again while its lock was waited for. */
			if (page_mapped(page))
				unmap_mapping_range(vm, file, first);
			truncate_page(vm, file, page);
			index++;
		}
		unlock_page(vm, page);
		put_page(vm, page);
	}
	for (index = first; (block = radix_next(&file->store, &index, ~0UL)); index++) {
		free((void *)(uintptr_t)*block);
		*block = 0;
	}
	if (size & (PAGE_SIZE - 1))
		clear_tail(vm, file, size);
}

void file_truncate(struct vm *vm, struct file *file, unsigned long size)
{
	down_write(vm, &file->i_rwsem);
	truncate_file(vm, file, size);
	up_write(vm, &file->i_rwsem);
}

long file_invalidate(struct vm *vm, struct file *file)
{
	unsigned long index = 0;
	long dropped = 0;

	for (; radix_next(&file->pages, &index, ~0UL); index++) {
		struct page *page = find_get_page(vm, file, index);

		if (!page)
			continue;
		if (trylock_page(vm, page)) {
			bool idle = page->mapping == &file->as && !page_mapped(page) && !page_flag(page, PG_dirty) &&
				    !page_flag(page, PG_writeback) && try_to_free_buffers(vm, page);

			/* The cache's reference and ours. */
			if (idle && page->_refcount == 2) {
				truncate_page(vm, file, page);
				dropped++;
			}
			unlock_page(vm, page);
		}
		put_page(vm, page);
	}
	return dropped;
}
