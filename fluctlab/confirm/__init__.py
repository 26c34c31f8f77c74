"""Everything that trains: a reduced ResNet, images to train it on, and the loop. The only room that imports torch."""
