/* SPDX-License-Identifier: MIT
 *
 * A sparse array of 64-bit words: page tables, page caches, backing stores. Absent words read as 0.
 *
 * Nodes hold 512 entries, as a page table does; the tree is as high as its highest index asks for. Nodes stay until
 * the tree is destroyed.
 */
#ifndef MOVABLE_RADIX_H
#define MOVABLE_RADIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RADIX_SHIFT 9
#define RADIX_ENTRIES (1UL << RADIX_SHIFT)
#define RADIX_MASK (RADIX_ENTRIES - 1)

struct radix {
	uint64_t *root;
	unsigned int height;	 /* levels; 0: empty */
	unsigned long leaf_base; /* index >> RADIX_SHIFT of the leaf that was used last */
	uint64_t *leaf;
};

/* The slow half of radix_slot(): walks down, and with `create` makes what is missing (NULL: no memory). */
uint64_t *radix_find(struct radix *tree, unsigned long index, bool create);

/* The word at `index`; NULL if its leaf does not exist. */
static inline uint64_t *radix_slot(struct radix *tree, unsigned long index)
{
	if (tree->leaf && tree->leaf_base == index >> RADIX_SHIFT)
		return tree->leaf + (index & RADIX_MASK);
	return radix_find(tree, index, false);
}

static inline uint64_t *radix_create(struct radix *tree, unsigned long index)
{
	if (tree->leaf && tree->leaf_base == index >> RADIX_SHIFT)
		return tree->leaf + (index & RADIX_MASK);
	return radix_find(tree, index, true);
}

static inline uint64_t radix_get(struct radix *tree, unsigned long index)
{
	const uint64_t *slot = radix_slot(tree, index);

	return slot ? *slot : 0;
}

/* Moves *index to the next word that is not 0, at or after it and before `end`; NULL if there is none. */
uint64_t *radix_next(struct radix *tree, unsigned long *index, unsigned long end);

/* Frees all nodes. */
void radix_destroy(struct radix *tree);

#endif
