/* SPDX-License-Identifier: MIT
 *
 * Full recounts: whether every structure of a machine agrees with every other.
 *
 * The first disagreement is a fatal violation. Meaningful only between calls, when no run is under way.
 */
#ifndef MOVABLE_RECOUNT_H
#define MOVABLE_RECOUNT_H

#include "vm.h"

void vm_recount(struct vm *vm);

/* The part that concerns processes, files and swap. */
void recount_maps(struct vm *vm);

#endif
